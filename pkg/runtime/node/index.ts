export { nodeFileSystem } from "./file-system.js";
export { systemRandom } from "./random.js";
export { systemClock, systemTimers } from "./time.js";
