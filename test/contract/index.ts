export {
  type ContractCase,
  Entries,
  type StorageUnderTest,
  storageContract,
} from "./storage-contract.js";
