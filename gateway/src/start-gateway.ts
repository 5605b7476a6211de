import type { Transport } from "@connectrpc/connect";
import { clientTlsSchema, openClientTls, serverTlsSchema } from "@pelikuni/runtime/certificates";
import type { Logger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { trackConnections } from "@pelikuni/runtime/port";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport, type GrpcTransportOptions } from "@pelikuni/runtime/rpc-transport";
import { preparePortTls } from "@pelikuni/runtime/tls-port";
import { z } from "zod";
import { collectOpenApi, serveDocumentation } from "./documentation.ts";
import { refuseForeignPages } from "./foreign-pages.ts";
import { createHttpServer, type RestServer } from "./http-server.ts";
import { registerRoutes } from "./routes.ts";
import { rpcCaller } from "./rpc-calls.ts";
import { rpcStreamer } from "./rpc-streams.ts";

const address = z
  .string()
  .regex(/^\S+:\d{1,5}$/, 'must be host:port, for example "localhost:50051"');

/** The configuration section `gateway`. Sizes are in bytes, times in milliseconds. */
export const gatewaySchema = z.strictObject({
  /** The address to listen on. */
  host: z.string().min(1).default("127.0.0.1"),
  /** The port to listen on; 0 takes a free one. */
  port: z.int().min(0).max(65_535).default(8_000),
  /** Left out: the port is not encrypted. */
  tls: serverTlsSchema.optional(),
  /** Where the wallet-service answers gRPC. */
  wallet_service_address: address.default("localhost:50051"),
  wallet_service_tls: clientTlsSchema,
  /** Where the history-service answers gRPC. */
  history_service_address: address.default("localhost:50052"),
  history_service_tls: clientTlsSchema,
  /** The largest message that either may answer. */
  wallet_message_bytes_max: z.int().min(65_536).default(4_194_304),
  /** The largest body of a request. */
  body_bytes_max: z.int().min(1_024).default(16_384),
  /** The largest request line with all headers. */
  header_bytes_max: z.int().min(1_024).default(16_384),
  /** The most open connections; further ones are closed at once. */
  connections_max: z.int().min(1).default(10_000),
  /** The time in which a whole request must have arrived. */
  receive_timeout_ms: z.int().min(100).default(10_000),
  /** The time after which an idle connection is closed. */
  keep_alive_timeout_ms: z.int().min(100).default(72_000),
  /** The time without a byte in either direction after which any connection is cut. */
  silence_timeout_ms: z.int().min(100).default(75_000),
  /** The time in which a request is answered once it has arrived, repetitions included. */
  request_timeout_ms: z.int().min(10).default(10_000),
  /** The most attempts at a call that carries an Idempotency-Key; 1 repeats nothing. */
  repeat_attempts_max: z.int().min(1).max(10).default(3),
  /** The time before the first repetition; doubles each time. */
  repeat_backoff_ms: z.int().min(1).default(100),
  /** The time after a request's arrival in which a repetition may start. */
  repeat_window_ms: z.int().min(0).default(600),
});

/** The parsed section `gateway`. */
export type GatewayConfiguration = z.output<typeof gatewaySchema>;

/** What a gateway needs. */
export interface GatewayOptions {
  readonly configuration: GatewayConfiguration;
  readonly logger: Logger;
  /** How to reach the wallet-service; gRPC to the configured address when it is left out. */
  readonly walletTransport?: Transport;
  /** How to reach the history-service, likewise. */
  readonly historyTransport?: Transport;
  /** Whether nobody is asked who he is: requests must then name this machine as their host. */
  readonly open?: boolean;
}

/** A running gateway; disposing it answers what is in flight, then closes. */
export interface Gateway extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
}

/**
 * Starts serving REST.
 *
 * @throws OperatorError when the port is taken
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { configuration, logger } = options;
  return buildWithResources(async (resources) => {
    const tls = preparePortTls(configuration, "gateway", logger);
    const open = (service: "wallet_service" | "history_service"): Transport =>
      resources.use(createGrpcTransport(grpcOptions(service, options)));
    const wallets = options.walletTransport ?? open("wallet_service");
    const history = options.historyTransport ?? open("history_service");
    const app = createHttpServer(configuration, logger, tls);
    refuseForeignPages(app, options.open ?? false);
    const cut = trackConnections(app.server);
    resources.use({ [Symbol.asyncDispose]: () => stop(app, cut, configuration) });
    await collectOpenApi(app);
    registerRoutes(app, {
      wallets: rpcCaller(wallets, configuration),
      history: rpcCaller(history, configuration),
      historyStream: rpcStreamer(history, configuration, logger),
    });
    await serveDocumentation(app);
    const port = await listen(app, configuration);
    logger.info({ host: configuration.host, port }, "Serving REST");
    return { port, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
}

function grpcOptions(
  service: "wallet_service" | "history_service",
  { configuration, logger }: GatewayOptions,
): GrpcTransportOptions {
  return {
    address: configuration[`${service}_address`],
    tls: openClientTls(configuration[`${service}_tls`], `${service}_tls`, logger),
    messageBytesMax: configuration.wallet_message_bytes_max,
    deadlineDefaultMs: configuration.request_timeout_ms,
  };
}

/** Answers what is in flight; once every call must be over, what still stays open is cut. */
async function stop(
  app: RestServer,
  cut: () => void,
  { request_timeout_ms }: GatewayConfiguration,
): Promise<void> {
  const timer = setTimeout(cut, request_timeout_ms);
  await app.close();
  clearTimeout(timer);
}

async function listen(app: RestServer, { host, port }: GatewayConfiguration): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    const taken = `Port ${port} on ${host} is already in use`;
    throw new OperatorError(`${taken}; APP__GATEWAY__PORT sets another one`);
  }
  const address = app.server.address();
  return typeof address === "object" && address !== null ? address.port : port;
}
