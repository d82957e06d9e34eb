/** @module Work that may take no longer than so: what others write is not to hold up everybody's requests. */
import { createContext, Script } from "node:vm";

const context = createContext({ work: undefined });
const script = new Script("work()");

/**
 * Ends the work wherever it is, a regular expression that backtracks included; so it must leave nothing half done. Cost:
 * 0.1 ms beside the work's own.
 * @returns undefined when there was not enough time
 */
export function withinTime<T extends object>(milliseconds: number, work: () => T): T | undefined {
  context["work"] = work;
  try {
    // All that is called from a script of `vm` ends with it.
    return script.runInContext(context, { timeout: milliseconds }) as T;
  } catch (error) {
    if ((error as { code?: unknown } | undefined)?.code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    return undefined;
  } finally {
    context["work"] = undefined;
  }
}
