import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Entries } from "../../../test/contract/entries.js";
import type { ObjectOperation, Replica } from "../objects/catalogue.js";
import { encodeObjectOperation } from "../objects/commands.js";
import {
  openObjectCatalogue,
  type SqliteObjectCatalogue,
} from "../objects/open-object-catalogue.js";

let folder: string;
let catalogue: SqliteObjectCatalogue;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "catalogue-content-"));
  catalogue = await open();
});
afterEach(async () => {
  await catalogue.close();
  rmSync(folder, { recursive: true });
});

const path = () => join(folder, "objects.db");
const open = () => openObjectCatalogue({ path: path() });

async function fill(): Promise<void> {
  const log = new Entries();
  const replicas: readonly Replica[] = [{ segment: "s1", offset: 0, bytes: 100 }];
  const operations: readonly ObjectOperation[] = [
    { op: "mount_segment", segment: "s1", bytes: 1_000, address: "s1:9000" },
    { op: "put_start", key: "a", replicas },
    { op: "put_end", key: "a", put: 2 },
    { op: "put_start", key: "b", replicas },
  ];
  await catalogue.applyBatch(operations.map((one) => log.plain(encodeObjectOperation(one))));
}

/** Changes the file behind the back of everybody, while nobody has it open. */
async function tamper(sql: string): Promise<void> {
  await catalogue.close();
  const file = new Database(path());
  file.exec(sql);
  file.close();
  catalogue = await open();
}

test("OC-15 rows changed in the file are found by their bytes, and a repair puts them right", async () => {
  await fill();
  const good = await catalogue.digest();
  await catalogue.content?.fix();
  const keys = ["o:a", "o:b", "o:c", "s:s1"];
  const records = await catalogue.content?.inspect({ kind: "records", keys });
  await tamper(`UPDATE objects SET replicas = 'no json' WHERE key = 'a';
    UPDATE objects SET key = 'c' WHERE key = 'b'; UPDATE segments SET used = 7, hash = 0`);
  expect((await catalogue.recomputeDigest()).shards).not.toEqual(good.shards);
  await catalogue.content?.repair(records ?? []);
  expect(await catalogue.digest()).toEqual(good);
  expect(await catalogue.recomputeDigest()).toEqual(good);
  const at = await catalogue.getWALPosition();
  expect(await catalogue.counts(at)).toEqual({ objects: 1, pending: 1, segments: 1 });
  expect((await catalogue.findObjects({ limit: 9 }, at)).items).toMatchObject([{ key: "a" }]);
  expect(await catalogue.segments(at)).toMatchObject([{ segment: "s1", used: 200 }]);
  const wrong = [{ key: "o:a", value: { kind: "s" } }];
  await expect(Promise.resolve(catalogue.content?.repair(wrong))).rejects.toThrow(/o:a/);
});
