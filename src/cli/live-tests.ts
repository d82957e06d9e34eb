/** @module ConnectivityTests asked of a running cluster: its objects stand for the manifests that a test names. */
import { OpError } from "../base/errors.ts";
import { readContext } from "../client/kubeconfig.ts";
import { LiveJudge, layoutOfContext } from "../cluster/live-judge.ts";
import type { Judge } from "../judges/judge.ts";
import { ModelJudge } from "../judges/model-judge.ts";
import type { Io } from "./io.ts";
import { readLive } from "./live.ts";
import { counted } from "./output.ts";
import type { LoadedTest, TestOptions } from "./test-options.ts";

export interface LiveTests {
  over(loaded: LoadedTest): LoadedTest;
  judges(): Judge[];
}

/** @throws OpError `input-invalid` when packets are asked for where there is no machine to send them */
export async function liveTests(io: Io, options: TestOptions): Promise<LiveTests> {
  if (options.on !== undefined && options.on !== "model") {
    throw new OpError(
      "--on says who judges manifests; a running cluster is judged by the model, and with --probe by its packets",
      {
        code: "input-invalid",
      },
    );
  }
  const context = readContext(typeof options.context === "string" ? options.context : undefined);
  const layout = options.probe ? layoutOfContext(context.name) : undefined;
  const { objects, issues } = await readLive(context.name);
  return {
    over: (loaded) => {
      const { test } = loaded;
      const held = test.probes.filter(({ established }) => established);
      if (test.steps.length > 0 || held.length > 0) {
        const left = counted(test.steps.length, "step");
        io.err(
          `${loaded.file}: ${left} and ${counted(held.length, "probe")} of open connections are left out: a running cluster is asked, not changed`,
        );
      }
      return {
        ...loaded,
        test: {
          ...test,
          objects: [],
          cluster: { nodes: [], namespaces: [], pods: [] },
          probes: test.probes.filter(({ established }) => !established),
          steps: [],
        },
        manifests: objects,
        applied: new Map(),
        issues: [...loaded.issues, ...issues],
      };
    },
    judges: () => [new ModelJudge(), ...(layout ? [new LiveJudge(layout)] : [])],
  };
}
