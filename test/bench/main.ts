/** usage: bench standalone | raft | ha | regions | wal | storage | transport; BENCH_SECONDS sets the length of a case */
const BENCHES: Readonly<Record<string, () => Promise<{ run(): Promise<void> }>>> = {
  standalone: () => import("./standalone.js"),
  raft: () => import("./raft.js"),
  ha: () => import("./ha.js"),
  regions: () => import("./regions.js"),
  wal: () => import("./wal.js"),
  storage: () => import("./storage.js"),
  transport: () => import("./transport.js"),
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (names.length === 0 || unknown.length > 0) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join(" | ")}\n`);
  process.exit(64);
}
for (const name of names) {
  const bench = await BENCHES[name]?.();
  await bench?.run();
}
process.exit(0);
