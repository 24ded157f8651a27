export { arbiterSettings } from "./arbiter-settings.js";
export { type CreateReplicatorOptions, createReplicator } from "./create-replicator.js";
export { type DataFolders, databaseFile, logFolder } from "./data-layout.js";
export { type StoredIdentity, settleIdentity } from "./node-identity.js";
export { openWitness, type RunningWitness } from "./open-witness.js";
