import { parseRequestId, type RequestId } from "../base/index.js";
import { ReplicationError } from "../replication/index.js";

/** @throws ReplicationError `INVALID` for a text that is no request id */
export function toRequestId(text: string | undefined): RequestId | undefined {
  if (text === undefined) return undefined;
  const id = parseRequestId(text);
  if (id !== undefined) return id;
  throw new ReplicationError("INVALID", "requestId: 1 to 128 printable ASCII characters", {
    field: "requestId",
  });
}
