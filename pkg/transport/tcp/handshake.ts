import { type NodeId, parseNodeId } from "../../base/index.js";
import { TransportError } from "../../replication/ports/index.js";
import { MessageType, NORNICDB_TYPE_MAX } from "../codec/codes.js";
import { decodeEnvelope, type Envelope } from "../codec/envelope.js";
import { type RejectReason, type TransportContext, toRejectReason } from "./context.js";
import { bodyOf, encodeForLink, type Link, type Seals } from "./link.js";
import { derive, Seal, sameBytes, transcriptOf } from "./seal.js";

export const PROTOCOL_VERSION_MIN = 1;
export const PROTOCOL_VERSION_MAX = 1;
const NONCE_BYTES = 32;
const EXCERPT_LENGTH_MAX = 200;
const INSTANCE_LENGTH_MAX = 64;
/** Node's TLS server looks at the client's certificate after the handshake, and sends no alert. */
const CERTIFICATE_HINT = "; it may have refused this node's certificate, its log says so";
const LINGER_MS = 1_000;

export const LANES = ["urgent", "normal", "bulk"] as const;
export type LaneName = (typeof LANES)[number];

/** Whom the link leads to, proven as far as the options ask for it. */
export interface Session {
  readonly peer: NodeId;
  readonly cluster: string;
  readonly lane: LaneName;
  /** Which process of that name it is, and which of its connections to the same node. */
  readonly instance: string;
  readonly seals: Seals | undefined;
}

class Refusal extends Error {
  constructor(
    readonly reason: RejectReason,
    message: string,
    readonly told = false,
  ) {
    super(message);
  }
}

type Fields = { readonly [key: string]: unknown };

/** `hint` is why a peer may close without a word. */
async function nextBody(link: Link, hint = ""): Promise<Uint8Array> {
  const body = await link.next();
  if (body !== undefined) return body;
  const text = `handshake: ${link.closedBy}${hint}`;
  throw link.endedByTls ? new Refusal("tls", text, true) : new TransportError("DISCONNECTED", text);
}

/** What an unproven peer sent, short enough and without line breaks for a log. */
function excerpt(value: unknown): string {
  return String(value)
    .slice(0, EXCERPT_LENGTH_MAX)
    .replace(/\p{Cc}/gu, " ");
}

async function expectFrame(
  link: Link,
  type: number,
  hint = "",
): Promise<{ body: Uint8Array; fields: Fields }> {
  const body = await nextBody(link, hint);
  return { body, fields: readFields(read(body), type) };
}

function read(body: Uint8Array): Envelope {
  try {
    return decodeEnvelope(body);
  } catch (error) {
    throw new Refusal("bad_frame", `handshake: ${(error as Error).message}`);
  }
}

function readFields(envelope: Envelope, type: number): Fields {
  const fields = (envelope.payload ?? {}) as Fields;
  if (envelope.type === MessageType.error) {
    const text = `the peer refused: ${excerpt(fields.message)}`;
    throw new Refusal(toRejectReason(fields.reason), text, true);
  }
  if (envelope.type === type && typeof fields === "object") return fields;
  throw new Refusal("protocol", `handshake: expected message ${type}, got ${envelope.type}`);
}

function tell(
  link: Link,
  type: number,
  payload: Record<string, string | number | boolean>,
): Uint8Array {
  const frame = encodeForLink({ type, payload });
  link.send(frame);
  return bodyOf(frame);
}

/** Runs one side; a refusal is told to the peer, counted, logged, and thrown as `REFUSED`. */
async function guarded<T>(
  context: TransportContext,
  link: Link,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Refusal)) {
      link.close((error as Error).message);
      throw error;
    }
    context.rejected(error.reason, link.remote, error.message);
    const { reason, message } = error;
    if (!error.told) tell(link, MessageType.error, { code: "REFUSED", reason, message });
    if (error.told) link.close(message);
    else link.closeAfter(LINGER_MS, message);
    throw new TransportError("REFUSED", message, { reason });
  }
}

/** A cluster's name has the form of a node's. */
function checkCluster({ options }: TransportContext, fields: Fields): string {
  const { clusterId, everyCluster } = options;
  const { cluster } = fields;
  if (cluster === clusterId) return clusterId;
  if (everyCluster === true && typeof cluster === "string" && parseNodeId(cluster)) return cluster;
  const text = `cluster "${excerpt(cluster)}", here it is "${clusterId}"`;
  throw new Refusal("wrong_cluster", text);
}

function checkIdentity(
  context: TransportContext,
  link: Link,
  fields: Fields,
): { readonly peer: NodeId; readonly cluster: string } {
  const { nodeId, mayConnect } = context.options;
  const cluster = checkCluster(context, fields);
  const peer = typeof fields.node === "string" ? parseNodeId(fields.node) : undefined;
  if (peer === undefined) throw new Refusal("protocol", "handshake: the node id is no valid name");
  if (peer === nodeId)
    throw new Refusal("self_connection", `the peer is this node itself, "${peer}"`);
  if (context.tls?.verifyPeer === true) checkCertificate(link.peerNames, cluster, peer);
  if (mayConnect !== undefined && !mayConnect(peer)) {
    throw new Refusal("not_a_member", `node "${peer}" is not a member of the cluster`);
  }
  return { peer, cluster };
}

/** A `nornic://cluster/node` name binds both; without one, some name must be the node id. */
function checkCertificate(names: readonly string[], cluster: string, peer: NodeId): void {
  const bound = names.filter((name) => name.startsWith("nornic://"));
  const fits =
    bound.length > 0 ? bound.includes(`nornic://${cluster}/${peer}`) : names.includes(peer);
  if (!fits) {
    const text = `the certificate is for ${names.join(", ") || "nobody"}, not for "${peer}"`;
    throw new Refusal("wrong_certificate", text);
  }
}

function checkSecretUse(context: TransportContext, fields: Fields): void {
  const ours = context.options.secret !== undefined;
  if (ours === (fields.secret === true)) return;
  const text = ours
    ? "the peer has no cluster secret, here one is set"
    : "the peer asks for a cluster secret";
  throw new Refusal("not_authenticated", text);
}

function nonce(context: TransportContext): string {
  return Buffer.from(context.options.random.bytes(NONCE_BYTES)).toString("hex");
}

function checkProof(proof: unknown, expected: Uint8Array | undefined): void {
  if (expected === undefined) return;
  if (typeof proof === "string" && sameBytes(Buffer.from(proof, "hex"), expected)) return;
  throw new Refusal("wrong_secret", "the cluster secrets differ");
}

function keys(secret: Uint8Array | undefined, transcript: Uint8Array) {
  if (secret === undefined) return undefined;
  const make = (purpose: string) => derive(secret, purpose, transcript);
  return {
    dialProof: make("dial proof"),
    acceptProof: make("accept proof"),
    dialKey: make("dial key"),
    acceptKey: make("accept key"),
  };
}

const hex = (bytes: Buffer | undefined) => bytes?.toString("hex") ?? "";

/** @throws TransportError `REFUSED` with a reason, or `DISCONNECTED` */
export function dialHandshake(
  context: TransportContext,
  link: Link,
  wanted: { readonly peer: NodeId | undefined; readonly lane: LaneName; readonly instance: string },
): Promise<Session> {
  return guarded(context, link, async () => {
    const { options } = context;
    const hello = tell(link, MessageType.hello, {
      min: PROTOCOL_VERSION_MIN,
      max: PROTOCOL_VERSION_MAX,
      cluster: options.clusterId,
      node: options.nodeId,
      expect: wanted.peer ?? "",
      lane: wanted.lane,
      nonce: nonce(context),
      secret: options.secret !== undefined,
      instance: wanted.instance,
    });
    const reply = await expectFrame(link, MessageType.helloReply, context.tls && CERTIFICATE_HINT);
    const { peer, cluster } = checkIdentity(context, link, reply.fields);
    if (wanted.peer !== undefined && peer !== wanted.peer) {
      throw new Refusal("wrong_node", `reached node "${peer}", expected "${wanted.peer}"`);
    }
    const { version } = reply.fields;
    if (version !== PROTOCOL_VERSION_MAX) {
      throw new Refusal("wrong_version", `the peer chose protocol version ${excerpt(version)}`);
    }
    checkSecretUse(context, reply.fields);
    const ours = keys(options.secret, transcriptOf(hello, reply.body));
    tell(link, MessageType.auth, { proof: hex(ours?.dialProof) });
    const { fields } = await expectFrame(link, MessageType.authReply);
    checkProof(fields.proof, ours?.acceptProof);
    const seals = ours && { sealing: new Seal(ours.dialKey), opening: new Seal(ours.acceptKey) };
    return { peer, cluster, lane: wanted.lane, instance: wanted.instance, seals };
  });
}

/**
 * `claim` is called after the proof and before the answer to it; false refuses the peer.
 * @returns the session, or the first frame of a peer that knows no handshake
 * @throws TransportError `REFUSED` with a reason, or `DISCONNECTED`
 */
export function acceptHandshake(
  context: TransportContext,
  link: Link,
  claim: (session: Omit<Session, "seals">) => boolean,
): Promise<Session | { readonly legacy: Uint8Array }> {
  return guarded(context, link, async () => {
    const { options } = context;
    const body = await nextBody(link);
    const first = read(body);
    if (options.legacyPeers && first.type <= NORNICDB_TYPE_MAX) return { legacy: body };
    const fields = readFields(first, MessageType.hello);
    const min = Number(fields.min);
    const max = Number(fields.max);
    if (!(min <= PROTOCOL_VERSION_MAX && max >= PROTOCOL_VERSION_MIN)) {
      const text = `protocol versions ${min} to ${max}; here ${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION_MAX}`;
      throw new Refusal("wrong_version", text);
    }
    const { peer, cluster } = checkIdentity(context, link, fields);
    if (fields.expect !== "" && fields.expect !== options.nodeId) {
      const text = `meant for node "${excerpt(fields.expect)}", this is "${options.nodeId}"`;
      throw new Refusal("wrong_node", text);
    }
    const lane = LANES.find((name) => name === fields.lane);
    if (lane === undefined) throw new Refusal("protocol", "handshake: an unknown lane");
    checkSecretUse(context, fields);
    const reply = tell(link, MessageType.helloReply, {
      version: PROTOCOL_VERSION_MAX,
      cluster,
      node: options.nodeId,
      nonce: nonce(context),
      secret: options.secret !== undefined,
    });
    const ours = keys(options.secret, transcriptOf(body, Uint8Array.from(reply)));
    const auth = await expectFrame(link, MessageType.auth);
    checkProof(auth.fields.proof, ours?.dialProof);
    const instance = String(fields.instance ?? "").slice(0, INSTANCE_LENGTH_MAX);
    if (!claim({ peer, cluster, lane, instance })) {
      throw new Refusal("duplicate_node", `another process runs as node "${peer}"`);
    }
    tell(link, MessageType.authReply, { proof: hex(ours?.acceptProof) });
    const seals = ours && { sealing: new Seal(ours.acceptKey), opening: new Seal(ours.dialKey) };
    return { peer, cluster, lane, instance, seals };
  });
}
