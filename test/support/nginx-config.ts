/** One path of one host name. */
export interface Site {
  readonly host: string;
  readonly path: string;
  /** `address:port` of what is ready. */
  readonly servers: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
}

interface Settings {
  readonly folder: string;
  readonly port: number;
  readonly wildcardPort: number;
  readonly sites: readonly Site[];
}

/** What ingress-nginx would have nginx do, as far as its documentation says it of these annotations. */
export function renderNginx({ folder, port, wildcardPort, sites }: Settings): string {
  const hosts = [...new Set(sites.map(({ host }) => host))].toSorted();
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
worker_shutdown_timeout 5s;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 512; }
http {
${places.join("\n")}
access_log off;
map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
${sites.map(upstreamOf).join("\n")}
server {
  listen 127.0.0.1:${port} default_server;
  location / {
    ${passing.join("\n    ")}
    proxy_pass http://127.0.0.1:${wildcardPort};
  }
}
${hosts
  .map((host) =>
    serverOf(
      host,
      port,
      [...sites.entries()].filter(([, site]) => site.host === host),
    ),
  )
  .join("\n")}
}
`;
}

const upstreamOf = ({ servers }: Site, index: number): string =>
  servers.length === 0 ? "" : `upstream up${index} { ${servers.map((server) => `server ${server};`).join(" ")} }`;

const passing = [
  "proxy_http_version 1.1;",
  "proxy_set_header Host $http_host;",
  "proxy_set_header Upgrade $http_upgrade;",
  "proxy_set_header Connection $connection_upgrade;",
  "proxy_set_header X-Forwarded-For $remote_addr;",
  "proxy_set_header X-Forwarded-Proto $scheme;",
];

function serverOf(host: string, port: number, sites: readonly (readonly [index: number, site: Site])[]): string {
  return `server {
  listen 127.0.0.1:${port};
  server_name ${host};
${sites.map(([index, site]) => locationsOf(index, site)).join("\n")}
}`;
}

const prefix = "nginx.ingress.kubernetes.io/";

function locationsOf(index: number, { path, servers, annotations }: Site): string {
  const authUrl = annotations[`${prefix}auth-url`];
  const signIn = annotations[`${prefix}auth-signin`];
  const headers = (annotations[`${prefix}auth-response-headers`] ?? "").split(",").filter((name) => name !== "");
  const asking = [
    ...(authUrl ? [`auth_request /_external-auth-${index};`] : []),
    ...headers.flatMap((name, at) => [
      `auth_request_set $auth${index}_${at} $upstream_http_${name.toLowerCase().replaceAll("-", "_")};`,
      `proxy_set_header ${name} $auth${index}_${at};`,
    ]),
    ...(signIn ? [`error_page 401 = @sign-in-${index};`] : []),
  ];
  const main = `  location ${path} {
    ${[...asking, ...passing].join("\n    ")}
    ${servers.length === 0 ? "return 503;" : `proxy_pass http://up${index};`}
  }`;
  return [main, ...(authUrl ? [authOf(index, authUrl)] : []), ...(signIn ? [signInOf(index, signIn)] : [])].join("\n");
}

const authOf = (index: number, url: string): string => `  location = /_external-auth-${index} {
    internal;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
    proxy_set_header Host ${new URL(url).host};
    proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
    proxy_set_header X-Original-Method $request_method;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_http_version 1.1;
    proxy_pass ${url};
  }`;

const signInOf = (index: number, url: string): string => `  location @sign-in-${index} {
    internal;
    return 302 ${url}?rd=$scheme://$http_host$request_uri;
  }`;
