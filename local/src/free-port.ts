import { once } from "node:events";
import { createServer } from "node:net";

/** Whether a TCP port of the loopback interface can be listened on now. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined;
}

/** A TCP port of the loopback interface that nobody listens on now. */
export async function chooseFreePort(): Promise<number> {
  const port = await tryPort(0);
  if (port === undefined) throw new Error("No free TCP port on 127.0.0.1");
  return port;
}

async function tryPort(port: number): Promise<number | undefined> {
  const server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    return typeof address === "object" ? address?.port : undefined;
  } catch {
    return undefined;
  } finally {
    server.close();
  }
}
