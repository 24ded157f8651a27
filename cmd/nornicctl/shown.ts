import { EXIT } from "../exit-codes.js";
import type { Client, Json } from "./client.js";
import { Failure } from "./failure.js";

export const object = (value: unknown): Json => Object(value) as Json;
export const list = (value: unknown): readonly Json[] =>
  Array.isArray(value) ? value.map(object) : [];

/** A value as a person reads it; what the node does not say is a dash. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "-";
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

export function unexpected(client: Client, path: string): Failure {
  return new Failure(
    EXIT.failed,
    "NOT_OURS",
    `${client.endpoint} answered ${path} with something that is not ours`,
    "check that --endpoint names the HTTP address of a node of this version",
  );
}
