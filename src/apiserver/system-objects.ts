/** @module Objects that the API server itself sees to: they are there before it answers for the first time. */
import { SYSTEM_PRIORITY_CLASSES } from "./kinds/priority-class.ts";
import { StatusError } from "./status-error.ts";
import type { Storage } from "./storage.ts";

/** Makes the priority classes of the system that are missing. */
export async function ensurePriorityClasses(classes: Storage): Promise<void> {
  for (const { name, value, description } of SYSTEM_PRIORITY_CLASSES) {
    try {
      await classes.create(
        {
          apiVersion: "scheduling.k8s.io/v1",
          kind: "PriorityClass",
          metadata: { name },
          value,
          description,
        },
        { manager: "kube-apiserver", dryRun: false },
      );
    } catch (error) {
      if (!(error instanceof StatusError && error.reason === "AlreadyExists")) throw error;
    }
  }
}
