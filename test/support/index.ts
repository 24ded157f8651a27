export { NodeTime } from "./node-time.js";
export { type Ratio, type SeededRandom, seededRandom } from "./seeded-random.js";
export { settle } from "./settle.js";
export { type DiskHits, SimDisk, type SimDiskOptions } from "./sim-disk.js";
export { type CrashChances, SECTOR_BYTES } from "./sim-inode.js";
export {
  HEALTHY_LINK,
  type MessageHandler,
  type MessageHits,
  type MessageLink,
  SimMessages,
} from "./sim-messages.js";
export { HEALTHY_STREAM_LINK, SimNetwork, type StreamHits } from "./sim-network.js";
export type { StreamLink } from "./sim-stream.js";
export { TraceHash } from "./trace-hash.js";
export { type ClockOptions, type RunLimit, VirtualTime } from "./virtual-time.js";
