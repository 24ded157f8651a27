import { createReadStream, statSync } from "node:fs";
import { decodeSnapshot, type SnapshotManifest } from "../../pkg/replication/snapshot/index.js";
import { EXIT } from "../exit-codes.js";
import { type Answer, bytesText, table, timeText } from "./answer.js";
import type { Io } from "./io.js";

const READ_BYTES = 1024 * 1024;

export function readSnapshotFile(file: string): AsyncIterable<Uint8Array> {
  return createReadStream(file, { highWaterMark: READ_BYTES });
}

export interface SnapshotFacts {
  readonly manifest: SnapshotManifest;
  readonly fileBytes: number;
  readonly bodyBytes: number;
}

/**
 * Reads a container to its end.
 * @throws StateMachineError `SNAPSHOT_INVALID` unless every byte is what was written
 */
export async function proveSnapshot(file: string, io: Io): Promise<SnapshotFacts> {
  const fileBytes = statSync(file).size;
  const { manifest, chunks } = await decodeSnapshot(readSnapshotFile(file));
  let bodyBytes = 0;
  for await (const chunk of chunks()) {
    bodyBytes += chunk.length;
    io.progress(`checking ${file}: ${bytesText(bodyBytes)} of ${bytesText(fileBytes)}`);
  }
  return { manifest, fileBytes, bodyBytes };
}

/** What a snapshot is of, after all of it was checked. */
export async function snapshotInfo(file: string, io: Io): Promise<Answer> {
  return factsAnswer(file, await proveSnapshot(file, io));
}

export function factsAnswer(file: string, facts: SnapshotFacts): Answer {
  const { manifest, fileBytes } = facts;
  const text = table([
    ["file", file],
    ["cluster", manifest.clusterId],
    ["node", manifest.nodeId],
    ["index", String(manifest.position.index)],
    ["term", String(manifest.position.term)],
    ["made", timeText(manifest.createdAt)],
    ["format", manifest.storage],
    ["size", bytesText(fileBytes)],
    ["whole", "yes"],
  ]);
  return { exit: EXIT.ok, json: { file, ...facts }, text };
}
