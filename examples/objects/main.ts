import { mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { createReplicator, loadConfig, type Replicator } from "../../pkg/index.js";
import {
  encodeObjectOperation,
  type ObjectCatalogue,
  ObjectLeases,
  type ObjectOperation,
  openObjectCatalogue,
  planEviction,
} from "../../pkg/storage/index.js";

const HELP = `Keeps a catalogue of objects in this process, replicated as the settings say.
  --folder PATH  where log and catalogue live (./data/objects)
Settings come from the environment, as for nornicd: without any, it is one node.`;
const LEASE_MS_MAX = 10_000;
const MEGABYTE = 1024 * 1024;

/** Stands still but for `pass`, so that nobody has to wait; an application takes the real one. */
const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, wallMs: () => Date.now() };
const pass = (ms: number) => {
  clock.nowMs += ms;
};

const say = (line: string) => process.stdout.write(`${line}\n`);

/** What an application puts between its callers and the replicator. */
class Objects {
  constructor(
    readonly replicator: Replicator,
    readonly catalogue: ObjectCatalogue,
    readonly leases: ObjectLeases,
  ) {}

  async write(operation: ObjectOperation) {
    const { index, result } = await this.replicator.apply(encodeObjectOperation(operation));
    return { index, result };
  }

  /** The bytes travel between the two entries; nobody sees the object before the second. */
  async put(key: string, segment: string, offset: number): Promise<void> {
    const replicas = [{ segment, offset, bytes: MEGABYTE }];
    const { index } = await this.write({ op: "put_start", key, replicas });
    await this.write({ op: "put_end", key, put: index });
  }

  /** Whoever is told where an object lies may read it there for a while. */
  async get(key: string) {
    const at = await this.replicator.read("LEADER");
    const found = await this.catalogue.getObject(key, at);
    if (found !== undefined) this.leases.lease(key, LEASE_MS_MAX);
    return found;
  }

  async list(): Promise<string> {
    const at = await this.replicator.read("LEADER");
    const page = await this.catalogue.findObjects({ limit: 1_000 }, at);
    return page.items.map(({ key }) => key).join(" ") || "nothing";
  }

  async evict(bytes: number): Promise<string> {
    const atLeast = await this.replicator.read("LEADER");
    const plan = await planEviction(this.catalogue, this.leases, { bytes, atLeast });
    if (plan === undefined) return "nothing to take";
    return JSON.stringify((await this.write(plan.operation)).result);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      folder: { type: "string", default: "./data/objects" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return;
  }
  mkdirSync(values.folder, { recursive: true });
  const { config } = loadConfig({ env: { NORNICDB_DATA_DIR: values.folder, ...process.env } });
  const catalogue = await openObjectCatalogue({ path: path.join(values.folder, "objects.db") });
  await using replicator = createReplicator(config, catalogue);
  await replicator.start();
  const leases = new ObjectLeases({ clock, leaseMsMax: LEASE_MS_MAX });
  replicator.onEvent((event) => {
    if (event.kind === "leader") leases.beginLeading();
  });
  await tour(new Objects(replicator, catalogue, leases));
}

async function tour(objects: Objects): Promise<void> {
  for (const segment of ["dram-1", "dram-2"]) {
    const address = `${segment}.example:9000`;
    await objects.write({ op: "mount_segment", segment, bytes: 8 * MEGABYTE, address });
  }
  const replicas = [{ segment: "dram-1", offset: 0, bytes: MEGABYTE }];
  const started = await objects.write({ op: "put_start", key: "video", replicas });
  say(`under way: ${await objects.list()}`);
  await objects.write({ op: "put_end", key: "video", put: started.index });
  say(`put: ${await objects.list()}`);

  for (let n = 1; n <= 3; n += 1) await objects.put(`page-${n}`, "dram-2", n * MEGABYTE);
  const found = await objects.get("page-1");
  say(`page-1 lies at ${found?.replicas[0]?.segment}+${found?.replicas[0]?.offset}`);
  say(`evicted while all may be leased: ${await objects.evict(MEGABYTE)}`);
  pass(LEASE_MS_MAX);
  await objects.get("video");
  say(`evicted: ${await objects.evict(MEGABYTE)}`);

  await objects.write({ op: "unmount_segment", segment: "dram-2" });
  say(`without dram-2: ${await objects.list()}`);
  const { shards } = await objects.catalogue.digest();
  say(`shards with something in them: ${shards.filter((sum) => sum !== 0).length}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
