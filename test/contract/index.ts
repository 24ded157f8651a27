export { Entries, type PlainCommand } from "./entries.js";
export {
  type CommandSamples,
  type ContractCase,
  type MachineUnderTest,
  stateMachineContract,
} from "./state-machine-contract.js";
export { type StorageUnderTest, storageContract } from "./storage-contract.js";
