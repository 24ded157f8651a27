export { badField, PayloadFields } from "./fields.js";
