import { runScripts } from "./run-scripts.js";

runScripts("modes");
