import { defineConfig } from "vitest/config";

/** The long lane: real processes, killed; real file systems, cut off. `npm run chaos`. */
export default defineConfig({
  test: {
    name: "chaos",
    include: ["test/chaos/**/*.test.ts"],
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
