// npm run bench: installs what is missing, then measures from the sources.
//
// Without the command of tsx between, which kills a process that is too busy to answer a signal.
import "../local/install-missing.mjs";
import path from "node:path";
import { runChild } from "../local/run-child.mjs";

const main = path.join(import.meta.dirname, "src", "main.ts");
const tsx = import.meta.resolve("tsx");
runChild(["--conditions=source", "--import", tsx, main, ...process.argv.slice(2)]);
