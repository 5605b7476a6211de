import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { z } from "zod";

/** A token endpoint that answers as a test wants it to. */
export interface TokenEndpoint extends AsyncDisposable {
  readonly url: string;
  /** What it was asked, request by request. */
  readonly requests: { readonly authorization: string; readonly body: string }[];
  /** How it answers. */
  answer: (response: ServerResponse) => void;
}

const addressSchema = z.object({ port: z.int() });

/** Answers a token that nobody had before. */
export function giveTokens(endpoint: TokenEndpoint, lifeSeconds: number): void {
  endpoint.answer = (response) => {
    const access_token = `token ${endpoint.requests.length}`;
    answerJson(response, 200, { access_token, token_type: "Bearer", expires_in: lifeSeconds });
  };
}

/** Answers JSON. */
export function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Starts one on a free port of this machine. */
export async function startTokenEndpoint(): Promise<TokenEndpoint> {
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { authorization = "" } = request.headers;
    endpoint.requests.push({ authorization, body: await text(request) });
    endpoint.answer(response);
  };
  const server = createServer((request, response) => void take(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = addressSchema.parse(server.address());
  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${port}/token`,
    requests: [],
    answer: (response) => answerJson(response, 500, {}),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
  return endpoint;
}
