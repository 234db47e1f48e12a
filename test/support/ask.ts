import { request, type IncomingHttpHeaders } from "node:http";

export interface Asked {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Question {
  readonly port: number;
  /** The Host header: names below `localhost` are not resolved by every system. */
  readonly host: string;
  readonly path?: string;
  /** Default: 127.0.0.1. */
  readonly address?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One GET on a connection of its own. */
export function ask({ port, host, path = "/", address = "127.0.0.1", headers = {} }: Question): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: address, port, path, headers: { ...headers, host }, agent: false });
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    outgoing.end();
  });
}
