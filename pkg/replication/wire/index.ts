export { badField, PayloadFields, type PayloadRecord, toRecord } from "./fields.js";
