import { defineConfig } from "vitest/config";

const lane = (name: string, include: string[], extra: Record<string, unknown> = {}) => ({
  test: { name, include, environment: "node", testTimeout: 30_000, hookTimeout: 60_000, ...extra },
});

export default defineConfig({
  test: {
    projects: [
      lane("unit", ["pkg/**/*.test.ts", "cmd/**/*.test.ts", "tools/**/*.test.ts"]),
      lane("contract", ["test/contract/**/*.test.ts"]),
      lane("scenario", ["test/scenario/**/*.test.ts"]),
      lane("simulation", ["test/simulation/**/*.test.ts", "test/support/**/*.test.ts"], {
        testTimeout: 120_000,
      }),
      lane("process", ["test/process/**/*.test.ts"], { testTimeout: 120_000 }),
    ],
    coverage: {
      provider: "v8",
      include: ["pkg/**/*.ts"],
      exclude: ["**/*.test.ts", "**/index.ts"],
      reporter: ["text-summary", "json-summary"],
      thresholds: { lines: 90 },
    },
  },
});
