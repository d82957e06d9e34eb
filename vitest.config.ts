import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts"] } },
      { test: { name: "prop", include: ["src/**/*.prop.ts"], testTimeout: 120_000 } },
      { test: { name: "corpus", include: ["test/corpus/**/*.test.ts"], testTimeout: 60_000 } },
      { test: { name: "differential", include: ["test/differential/**/*.test.ts"], testTimeout: 600_000 } },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], testTimeout: 120_000 } },
      {
        test: {
          name: "kernel",
          include: ["test/kernel/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
