import { field, list, map, object } from "./build.ts";
import { text } from "./patterns.ts";

const kubernetesName = text("qualifiedName");

/** How requests of people come into a cluster. */
export const ingress = field(
  "How people's requests come in. By default the server's own gateway takes them and sends them to pods; otherwise an entrance that the cluster has does, and asks this server about each (docs/ingress.md).",
  [{ kind: "ingress", controller: "nginx", className: "nginx", from: { namespace: "ingress-nginx" } }],
  object(
    {
      kind: field(
        "`gateway` is the server's own; `ingress` makes Ingress objects, `gateway-api` makes HTTPRoutes.",
        ["ingress"],
        { enum: ["gateway", "ingress", "gateway-api"] },
      ),
      controller: field(
        "Whose way of asking is used. For `ingress`: nginx (ingress-nginx) or traefik. For `gateway-api`: envoy-gateway, traefik, or external-auth, which is Gateway API's own filter.",
        ["nginx"],
        { enum: ["nginx", "traefik", "envoy-gateway", "external-auth"] },
      ),
      className: field("The IngressClass; the cluster's default one without it.", ["nginx"], kubernetesName),
      parent: field(
        "The Gateway that HTTPRoutes belong to, for `gateway-api`.",
        [{ name: "public", namespace: "gateways", sectionName: "https" }],
        object(
          {
            name: field("Its name.", ["public"], kubernetesName),
            namespace: field("Its namespace.", ["gateways"], kubernetesName),
            sectionName: field("One of its listeners; all of them without it.", ["https"], kubernetesName),
          },
          ["name", "namespace"],
        ),
      ),
      annotations: field(
        "Added to each object that leads requests in; Waybill's own stay as they are.",
        [{ "nginx.ingress.kubernetes.io/proxy-body-size": "100m" }],
        map(field("The annotation's value.", ["100m"], { type: "string", maxLength: 10_000 }), kubernetesName),
      ),
      tls: field(
        "Certificates, for `ingress`: one Secret of the namespace, or one for each host by cert-manager. Empty for the controller's own certificate.",
        [{ clusterIssuer: "letsencrypt" }, { secretName: "apps-tls" }],
        object({
          secretName: field("A Secret that is in each environment's namespace.", ["apps-tls"], kubernetesName),
          issuer: field("An Issuer of cert-manager in that namespace.", ["internal"], kubernetesName),
          clusterIssuer: field("A ClusterIssuer of cert-manager.", ["letsencrypt"], kubernetesName),
        }),
      ),
      serverUrl: field(
        "Where the entrance reaches this server; sourceUrl by default. Without TLS, and with no path.",
        ["http://waybill.waybill.svc.cluster.local:8080"],
        { type: "string", pattern: "^http://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/?$" },
      ),
      from: field(
        "Whence the entrance's requests reach pods.",
        [{ namespace: "ingress-nginx" }, { cidrs: ["10.0.0.7/32"] }],
        {
          ...object({
            namespace: field("The namespace that it runs in.", ["ingress-nginx"], kubernetesName),
            cidrs: field(
              "Ranges of addresses, instead.",
              [["10.0.0.7/32"]],
              list(field("One range.", ["10.0.0.0/24"], { type: "string", pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$" }), {
                minItems: 1,
              }),
            ),
          }),
          minProperties: 1,
        },
      ),
      probe: field(
        "After each deploy the server asks as nobody, by the entrance, and must be refused. The only setting for `gateway`, too.",
        [{ url: "https://10.0.0.9", timeout: "1m" }],
        object({
          url: field(
            "The entrance's address; by default that of the deployment, and for `gateway` that of the gateway beside the server.",
            ["https://10.0.0.9"],
            {
              type: "string",
              pattern: "^https?://[A-Za-z0-9.:[\\]-]+/?$",
            },
          ),
          timeout: field("How long a new host may take to come up; 1m by default.", ["1m"], text("duration")),
        }),
      ),
    },
    ["kind"],
  ),
);
