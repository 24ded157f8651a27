/** Type codes of the envelope. 1-18 are NornicDB's; from 19 on they are ours. */
export const MessageType = {
  voteRequest: 1,
  voteResponse: 2,
  appendEntries: 3,
  appendEntriesResponse: 4,
  walBatch: 5,
  walBatchResponse: 6,
  heartbeat: 7,
  heartbeatResponse: 8,
  fence: 9,
  fenceResponse: 10,
  promote: 11,
  promoteResponse: 12,
  join: 13,
  joinResponse: 14,
  leave: 15,
  leaveResponse: 16,
  status: 17,
  statusResponse: 18,
  hello: 19,
  helloReply: 20,
  error: 21,
  auth: 22,
  authReply: 23,
  ping: 24,
  pong: 25,
  preVote: 26,
  preVoteResponse: 27,
  installSnapshot: 28,
  installSnapshotResponse: 29,
  fullSync: 30,
  fullSyncResponse: 31,
  verify: 32,
  verifyResponse: 33,
  lease: 34,
  leaseResponse: 35,
  forward: 36,
  forwardResponse: 37,
  readIndex: 38,
  readIndexResponse: 39,
  forget: 40,
  forgetResponse: 41,
  timeoutNow: 42,
  timeoutNowResponse: 43,
  caughtUp: 44,
  caughtUpResponse: 45,
} as const;

export const NORNICDB_TYPE_MAX = 18;
export const TYPE_MAX = 255;

const NAMES = new Map<number, string>(
  Object.entries(MessageType).map(([name, code]) => [code, name]),
);

/** For error texts: `appendEntries`, or `type 77` for a code without a name. */
export function messageName(type: number): string {
  return NAMES.get(type) ?? `type ${type}`;
}

/** Codes that the transport itself speaks; a handler never sees them. */
export function isTransportType(type: number): boolean {
  return type >= MessageType.hello && type <= MessageType.pong;
}
