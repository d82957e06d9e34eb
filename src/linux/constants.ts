/** @module Numbers of the kernel's ABI that several files need, under their kernel names. Same on x86-64 and arm64. */

// asm-generic/errno*.h
export const EINTR = 4;
export const EAGAIN = 11;
export const EINVAL = 22;
export const EADDRINUSE = 98;
export const ENOBUFS = 105;
export const EPROTO = 71;
export const ENOPROTOOPT = 92;
export const EMSGSIZE = 90;
export const ECONNRESET = 104;
export const ECONNREFUSED = 111;
export const EINPROGRESS = 115;

// linux/sched.h
export const CLONE_FS = 0x200;
export const CLONE_NEWNS = 0x2_0000;
export const CLONE_NEWUTS = 0x400_0000;
export const CLONE_NEWIPC = 0x800_0000;
export const CLONE_NEWPID = 0x2000_0000;
export const CLONE_NEWNET = 0x4000_0000;

// linux/mount.h
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_PRIVATE = 0x4_0000;
export const MNT_DETACH = 2;
export const AT_FDCWD = -100;
export const AT_RECURSIVE = 0x8000;
export const MOUNT_ATTR_RDONLY = 1;
export const MOUNT_ATTR_IDMAP = 0x10_0000;
/** The same number on every architecture, as for all system calls since 2019. */
export const SYS_MOUNT_SETATTR = 442;
export const SYS_OPENAT2 = 437;
export const SYS_OPEN_TREE = 428;
export const SYS_MOVE_MOUNT = 429;
export const OPEN_TREE_CLONE = 1;
export const MOVE_MOUNT_F_EMPTY_PATH = 4;
export const AT_EMPTY_PATH = 0x1000;

/** Of those whose numbers differ: asm/unistd_64.h on x86-64, asm-generic/unistd.h on arm64. */
const isX64 = process.arch === "x64";
export const SYS_SETGROUPS: number = isX64 ? 116 : 159;
export const SYS_SETRESUID: number = isX64 ? 117 : 147;
export const SYS_SETRESGID: number = isX64 ? 119 : 149;
export const SYS_CHROOT: number = isX64 ? 161 : 51;
export const SYS_UNSHARE: number = isX64 ? 272 : 97;
export const SYS_SETNS: number = isX64 ? 308 : 268;

// linux/prctl.h
export const PR_SET_KEEPCAPS = 8;
export const PR_CAPBSET_READ = 23;
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

// linux/openat2.h
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_IN_ROOT = 0x10;

// asm-generic/ioctls.h
export const TIOCSWINSZ = 0x5414;
export const TIOCINQ = 0x541b;
export const TIOCSPTLCK = 0x4004_5431;
export const TIOCGPTPEER = 0x5441;

// linux/socket.h, asm-generic/socket.h
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SCM_RIGHTS = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_LINGER = 13;
export const SO_RCVTIMEO = 20;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const MSG_DONTWAIT = 0x40;
export const MSG_TRUNC = 0x20;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x4000_0000;
export const MSG_ERRQUEUE = 0x2000;

// linux/in.h, linux/in6.h
export const IPPROTO_IP = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_SCTP = 132;
export const IP_RECVERR = 11;
export const IPV6_RECVERR = 25;
export const IPV6_V6ONLY = 26;

// linux/eventpoll.h
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;

// linux/fcntl.h
export const F_DUPFD_CLOEXEC = 1030;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;

// asm-generic/resource.h
export const RLIMIT_NOFILE = 7;

/** linux/if.h: IFNAMSIZ, the terminating zero included. */
export const IFNAMSIZ = 16;
