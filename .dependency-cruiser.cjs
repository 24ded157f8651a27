/** The rooms of docs/architecture/overview.md and the arrows between them. */
const tests = "(\\.test\\.ts$|^test/)";
const room = (name, from, allowed, more = {}) => ({
  name,
  severity: "error",
  comment: `${from} may import only: itself, ${allowed.join(", ")}`,
  from: { path: from, pathNot: [tests, ...(more.except ?? [])] },
  to: { path: "^(pkg|cmd|test|tools|examples)/", pathNot: [from, ...allowed] },
});
const base = "^pkg/base/";
const runtime = "^pkg/runtime/(?!node/)";
const ports = "^pkg/replication/(ports|errors|command)";
const replication = "^pkg/replication/";
const storage = "^pkg/storage/";
const service = "^pkg/service/";

module.exports = {
  forbidden: [
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "nothing-imports-cmd",
      severity: "error",
      from: { pathNot: "^cmd/" },
      to: { path: "^cmd/" },
    },
    {
      name: "only-tests-import-test",
      severity: "error",
      from: { path: "^(pkg|cmd)/", pathNot: "\\.test\\.ts$" },
      to: { path: "^test/" },
    },
    room("base", "^pkg/base/", []),
    room("runtime", "^pkg/runtime/(?!node/)", [base]),
    room("runtime-node", "^pkg/runtime/node/", [base, runtime]),
    room("replication", "^pkg/replication/", [base, runtime]),
    room("ports", "^pkg/replication/ports/", [base, "^pkg/replication/errors"]),
    room("storage", "^pkg/storage/", [base, runtime, ports], { except: ["^pkg/storage/sqlite/"] }),
    room("storage-threads", "^pkg/storage/sqlite/", [base, "^pkg/runtime/", ports, storage]),
    room("transport", "^pkg/transport/", [base, runtime, ports]),
    room("service", "^pkg/service/", [base, runtime, replication, storage]),
    room("config", "^pkg/config/", [base, "^pkg/replication/replicator"]),
    room("frontend", "^pkg/frontend/", [base, runtime, service]),
    {
      name: "frontends-are-strangers",
      severity: "error",
      from: { path: "^pkg/frontend/([^/]+)/" },
      to: { path: "^pkg/frontend/", pathNot: "^pkg/frontend/$1/" },
    },
    {
      name: "cores-are-pure",
      severity: "error",
      comment: "A core sees no Node module, no clock, no socket: base, ports and pure leaves only.",
      from: { path: "^pkg/replication/[a-z-]+/core/", pathNot: "\\.test\\.ts$" },
      to: {
        pathNot: [
          "^pkg/base/",
          "^pkg/replication/(ports|quorum|progress)/",
          "/core/",
          "^pkg/replication/(errors|driver/effects|[a-z-]+/messages)",
        ],
      },
    },
    {
      name: "sqlite-has-one-door",
      severity: "error",
      from: { pathNot: "^(pkg/storage/sqlite/|test/)" },
      to: { path: "node_modules/better-sqlite3" },
    },
    {
      name: "sockets-live-in-runtime-node",
      severity: "error",
      from: { path: "^pkg/(base|replication|storage|transport|service)/", pathNot: "\\.test\\.ts$" },
      to: { path: "^(net|tls|http|dgram)$" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { conditionNames: ["import", "require", "node", "default"] },
  },
};
