import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

/**
 * Runs a command of the history-service, such as reconcile, in a process of its own.
 *
 * @param address of the history-service; empty: the command is given none
 * @param environment variables beside those of this process
 */
export async function runHistoryCommand(
  name: string,
  address: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: unknown; output: string }> {
  const file = path.resolve(import.meta.dirname, `../../history-service/src/${name}.ts`);
  const loader = import.meta.resolve("tsx/esm");
  const args = ["--conditions=source", "--import", loader, file];
  if (address !== "") args.push(address);
  const child = spawn(process.execPath, args, { env: { ...process.env, ...environment } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = await once(child, "close");
  return { code, output };
}
