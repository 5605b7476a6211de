import { ConnectError } from "@connectrpc/connect";
import { RestRefusal, refusalOfRpc } from "./rest-errors.ts";

/** What a failed request is answered; undefined when it is the gateway's own fault. */
export function refusalOfFailure(error: unknown): RestRefusal | undefined {
  if (error instanceof RestRefusal) return error;
  if (error instanceof ConnectError) return refusalOfRpc(error);
  const refusal = frameworkRefusals[codeOf(error)];
  return refusal === undefined ? refusalOfUnreadable(error) : new RestRefusal(...refusal);
}

/** What is answered on a connection whose bytes are not a request. */
export function refusalOfBytes(error: unknown): RestRefusal {
  return new RestRefusal(...(connectionRefusals[codeOf(error)] ?? malformedRequest));
}

/** What is answered when the gateway itself fails; the cause is for the log alone. */
export function internalRefusal(): RestRefusal {
  return new RestRefusal(500, { reason: "INTERNAL", detail: "Internal error" });
}

type Refusal = ConstructorParameters<typeof RestRefusal>;

const malformedRequest: Refusal = [
  400,
  { reason: "MALFORMED_REQUEST", detail: "The request is not valid HTTP/1.1" },
];

const connectionRefusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    { reason: "HEADERS_TOO_LARGE", detail: "The request line and headers are too large" },
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [
    413,
    { reason: "BODY_TOO_LARGE", detail: "The body's chunk extensions are too large" },
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    { reason: "REQUEST_TIMEOUT", detail: "The request did not arrive in time" },
  ],
};

const frameworkRefusals: Readonly<Record<string, Refusal>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    415,
    {
      reason: "UNSUPPORTED_MEDIA_TYPE",
      detail: "Send the body as JSON, with the header Content-Type: application/json",
    },
  ],
  FST_ERR_CTP_BODY_TOO_LARGE: [
    413,
    { reason: "BODY_TOO_LARGE", detail: "The body is larger than this service accepts" },
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: [
    400,
    { reason: "MALFORMED_BODY", detail: "The body is empty; send a JSON object" },
  ],
  FST_ERR_CTP_INVALID_JSON_BODY: [
    400,
    {
      reason: "MALFORMED_BODY",
      detail: 'The body is not valid JSON, or has a key "__proto__", which is not accepted',
    },
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    400,
    { reason: "MALFORMED_BODY", detail: "The body has another size than Content-Length says" },
  ],
  FST_ERR_BAD_URL: [
    404,
    { reason: "NO_SUCH_PATH", detail: "Nothing is here: the path has a broken percent-encoding" },
  ],
};

/** A body that broke off: Fastify gives the stream's error a status of its own. */
function refusalOfUnreadable(error: unknown): RestRefusal | undefined {
  const broken = error instanceof Error && "statusCode" in error && error.statusCode === 400;
  return broken ? new RestRefusal(...malformedRequest) : undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
