/** @module exec, attach, logs, port-forward and cp: to their end, and with clients that are killed half-way or keep to no rule. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { finished } from "../cluster.ts";
import { EVERY_SESSION, hostileSessions } from "../hostile-client.ts";
import { type Disturbance, eventually } from "./disturbance.ts";
import type { Scene } from "./scene.ts";
import { oneOf } from "./setting.ts";

const SESSIONS = 8;

async function nameOf(scene: Scene, app: string): Promise<string> {
  return (await oneOf(scene, app)).metadata.name;
}

function kubectl(scene: Scene, ...args: string[]): ChildProcess {
  const child = scene.cluster.start(scene.cluster.env["KUBECTL"] ?? "", [
    `--context=tortie-${scene.cluster.name}`,
    ...args,
  ]);
  // Whoever waits for its end hears of it.
  child.on("error", () => undefined);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

const EXEC: Disturbance = {
  what: "kubectl exec",
  async run(scene, random) {
    const pod = await nameOf(scene, "toolbox");
    const words = `said-${random.below(1_000_000)}`;
    const { stdout, stderr } = await scene.cluster.kubectl("exec", pod, "--", "echo", words);
    if (stdout !== `${words}\n`) throw new Error(`exec said ${JSON.stringify(stdout + stderr)}`);
  },
};

const CUT_OFF: Disturbance = {
  what: "kubectl exec -- cat /dev/zero | head -c",
  async run(scene, random) {
    const pod = await nameOf(scene, "toolbox");
    const child = kubectl(scene, "exec", pod, "--", "cat", "/dev/zero");
    let left = random.below(1_000_000);
    child.stdout?.on("data", (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) child.stdout?.destroy();
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 4000);
    await once(child, "exit");
    clearTimeout(timer);
    if (left >= 0) throw new Error(`${left} bytes are missing`);
  },
};

const KILLED: Disturbance = {
  what: "kubectl killed half-way",
  async run(scene, random) {
    const ways = [
      ["exec", "-i", await nameOf(scene, "toolbox"), "--", "cat"],
      ["exec", await nameOf(scene, "toolbox"), "--", "sh", "-c", "while :; do echo line; done"],
      ["attach", "-i", await nameOf(scene, "victim")],
      ["logs", "-f", await nameOf(scene, "victim")],
    ];
    const child = kubectl(scene, ...random.pick(ways));
    child.stdin?.on("error", () => undefined);
    child.stdin?.write("half a line");
    await Promise.race([once(child, "exit"), sleep(random.between(100, 3000))]);
    await kill(child);
  },
};

const LOGS: Disturbance = {
  what: "kubectl logs -f",
  async run(scene) {
    const child = kubectl(scene, "logs", "-f", "--tail=5", await nameOf(scene, "victim"));
    let heard = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    try {
      await eventually("ten lines of a log", () => {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
        return heard.split("\n").length > 10 || undefined;
      });
    } finally {
      await kill(child);
    }
  },
};

const FORWARD: Disturbance = {
  what: "kubectl port-forward",
  async run(scene, random) {
    const pod = await nameOf(scene, "nginx");
    const child = kubectl(scene, "port-forward", pod, ":80");
    let heard = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      heard += chunk.toString();
    });
    try {
      const port = await eventually("a forwarded port", () => /127\.0\.0\.1:(\d+)/.exec(heard)?.[1]);
      for (let asked = random.between(1, 5); asked > 0; asked--) {
        const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } });
        if (!(await answer.text()).includes("nginx"))
          throw new Error("the forwarded port said something else");
      }
    } finally {
      await kill(child);
    }
  },
};

const COPY: Disturbance = {
  what: "kubectl cp",
  async run(scene, random) {
    const pod = await nameOf(scene, "toolbox");
    const folder = mkdtempSync(path.join(scene.folder, "cp."));
    try {
      const there = path.join(folder, "there");
      const back = path.join(folder, "back");
      const remote = `${pod}:/tmp/${scene.name("copied")}`;
      const bytes = Buffer.from(Array.from({ length: random.between(1, 50_000) }, () => random.below(256)));
      writeFileSync(there, bytes);
      for (const [from, to] of [
        [there, remote],
        [remote, back],
      ] as const) {
        const { status, stderr } = await scene.cluster.kubectl("cp", from, to);
        if (status !== 0) throw new Error(`cp: ${stderr}`);
      }
      if (!readFileSync(back).equals(bytes)) throw new Error("what was copied came back as something else");
      await scene.cluster.kubectl("exec", pod, "--", "rm", "-f", remote.slice(pod.length + 1));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const HOSTILE: Disturbance = {
  what: "streams of hostile clients",
  async run(scene, random) {
    const target = {
      connect: () => scene.connectApi(),
      authorization: `Bearer ${scene.token}`,
      pod: await nameOf(scene, "victim"),
      port: 8080,
      webPort: 8081,
    };
    const from = random.below(EVERY_SESSION * 4);
    const sessions = await hostileSessions(target, { from, to: from + SESSIONS, atOnce: SESSIONS / 2 });
    const refused = sessions.filter(({ answer }) => !/ [1-4]\d\d/.test(answer));
    if (refused.length > 0) throw new Error(`${refused.length} of ${SESSIONS} sessions were not answered`);
  },
};

/** Bytes to a port of a pod, from another pod; what comes back. */
export async function sendTo(scene: Scene, address: string, port: number, bytes: Buffer): Promise<string> {
  const pod = await nameOf(scene, "toolbox");
  const child = kubectl(
    scene,
    "exec",
    "-i",
    pod,
    "--",
    "timeout",
    "2",
    "nc",
    "-w",
    "1",
    address,
    String(port),
  );
  child.stdin?.on("error", () => undefined);
  child.stdin?.write(bytes);
  const { stdout } = await finished(child, { timeoutMs: 30_000 });
  return stdout;
}

export const STREAMS: readonly Disturbance[] = [EXEC, CUT_OFF, KILLED, LOGS, FORWARD, COPY, HOSTILE];
