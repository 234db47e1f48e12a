import type {
  CheckRequest,
  ConfigureRequest,
  CreateRequest,
  DeleteRequest,
  DiffRequest,
  InvokeRequest,
  ReadRequest,
  UpdateRequest,
} from "@pulumi/pulumi/proto/provider_pb.js";
import { decodeStruct, unsupported } from "../../program/registration-request.ts";
import { Empty, providerMessages, Struct } from "../../program/sdk.ts";
import type { CheckFailure, Properties, Provider } from "../../provider.ts";
import { structuralDiff } from "../../value/diff.ts";
import { markedLike, revealedAll } from "../../value/value.ts";
import { detailedDiffMessage } from "./diff-message.ts";
import type { EffectBook } from "../effect-book.ts";
import { pluginMessages, type Method, type Service } from "./grpc.ts";
import { makeCalls, type Calls, type ProviderOperation } from "./provider-call.ts";

interface ProviderServerParts {
  readonly provider: Provider;
  readonly operation: ProviderOperation;
  readonly effects: EffectBook;
}

/** Each connection of the CLI is one provider resource, configured by itself. */
interface Configured {
  readonly provider: Provider;
  /** `URN::ID`, or empty where the CLI does not say. */
  readonly reference: string;
}

/** `pulumirpc.ResourceProvider` over one of our providers. */
export function makeProviderServer(parts: ProviderServerParts): Service {
  const { operation } = parts;
  const byPeer = new Map<string, Configured>();
  const configuredUrns = new Set<string>();
  const of = (peer: string): Configured => byPeer.get(peer) ?? { provider: parts.provider, reference: "" };
  const calls = makeCalls(operation);
  const configure: Method<ConfigureRequest> = async (request, peer) => {
    const args = decodeStruct(request.getArgs(), "the provider");
    operation.redaction.learn(args);
    const provider = await operation.guarded("", () => configured(parts, args));
    const reference = request.getUrn() === undefined ? "" : `${request.getUrn()}::${request.getId() ?? ""}`;
    byPeer.set(peer, { provider, reference });
    configuredUrns.add(request.getUrn() ?? "");
    const response = new providerMessages.ConfigureResponse();
    response.setAcceptsecrets(true);
    response.setSupportspreview(provider.previews === true);
    return response;
  };
  return {
    configure,
    diffConfig: (request: DiffRequest) => diffConfig(request, configuredUrns.has(request.getUrn())),
    ...settings,
    check: (request: CheckRequest, peer: string) => check(calls, of(peer).provider, request),
    diff: (request: DiffRequest, peer: string) => diff(calls, of(peer).provider, request),
    create: (request: CreateRequest, peer: string) => create(calls, { ...of(peer), effects: parts.effects }, request),
    read: (request: ReadRequest, peer: string) => read(calls, of(peer).provider, request),
    update: (request: UpdateRequest, peer: string) => update(calls, of(peer).provider, request),
    delete: (request: DeleteRequest, peer: string) => remove(calls, of(peer).provider, request),
    invoke: (request: InvokeRequest, peer: string) => invoke(operation, of(peer).provider, request),
  };
}

async function configured({ provider, operation: { signal } }: ProviderServerParts, args: Properties) {
  return provider.configure ? provider.configure({ inputs: revealedAll(args), signal }) : provider;
}

/** What every provider answers alike. */
const settings: Service = {
  attach: () => new Empty(),
  cancel: () => new Empty(),
  getPluginInfo: () => new pluginMessages.PluginInfo(),
  checkConfig: (request: CheckRequest) => {
    const response = new providerMessages.CheckResponse();
    response.setInputs(request.getNews());
    return response;
  },
};

/**
 * Two questions come this way. Before a provider is configured: has its own configuration changed? It is updated in
 * place, and what was made through it stays. Afterwards: a resource moves to it from another provider, and must be
 * replaced where the two are configured differently.
 */
function diffConfig(request: DiffRequest, hasMoved: boolean) {
  const of = (message: unknown): Properties => {
    // Of the package's version, not of the place that it manages.
    const { version: _, ...rest } = revealedAll(decodeStruct(message, request.getUrn()));
    return rest;
  };
  const detailedDiff = structuralDiff(of(request.getOldInputs() ?? request.getOlds()), of(request.getNews()));
  const paths = Object.keys(detailedDiff);
  return detailedDiffMessage({ changes: paths.length > 0, detailedDiff, replaces: hasMoved ? paths : [] });
}

async function check(calls: Calls, provider: Provider, request: CheckRequest) {
  const call = calls.open(request, request.getNews());
  const response = new providerMessages.CheckResponse();
  if (!provider.check) {
    response.setInputs(request.getNews());
    return response;
  }
  const old = request.getOlds();
  const oldInputs = old === undefined ? null : revealedAll(decodeStruct(old, call.context.urn));
  const checked = await calls.answered(call, () =>
    provider.check?.({ ...call.context, oldInputs, newInputs: call.plain }),
  );
  response.setInputs(struct(markedLike(checked?.inputs ?? {}, call.inputs)));
  response.setFailuresList((checked?.failures ?? []).map(failureMessage));
  calls.refused(call, checked?.failures ?? []);
  return response;
}

async function diff(calls: Calls, provider: Provider, request: DiffRequest) {
  const call = calls.open(request, request.getNews());
  const oldInputs = revealedAll(decodeStruct(request.getOldInputs(), call.context.urn));
  const structural = structuralDiff(oldInputs, call.plain);
  if (!provider.diff) {
    return detailedDiffMessage({ changes: Object.keys(structural).length > 0, detailedDiff: structural });
  }
  const found = await calls.answered(call, () =>
    provider.diff?.({
      ...call.context,
      id: request.getId(),
      oldInputs,
      oldOutputs: revealedAll(decodeStruct(request.getOlds(), call.context.urn)),
      newInputs: call.plain,
      ignoreChanges: request.getIgnorechangesList(),
    }),
  );
  return detailedDiffMessage({ detailedDiff: structural, changes: false, ...found });
}

type Creator = Configured & { readonly effects: EffectBook };

async function create(calls: Calls, { provider, reference, effects }: Creator, request: CreateRequest) {
  const call = calls.open(request, request.getProperties());
  const preview = request.getPreview();
  const { urn, type } = call.context;
  const context = calls.effect(call, { key: calls.createKey, timeoutSeconds: request.getTimeout() });
  const make = () => provider.create({ ...context, inputs: call.plain, preview });
  const made = await (preview
    ? calls.answered(call, make)
    : calls.narrated(call, "create", () =>
        effects.during({ urn, type, provider: reference, inputs: call.inputs }, make),
      ));
  const response = new providerMessages.CreateResponse();
  response.setId(preview ? "" : made.id);
  response.setProperties(calls.answer(call, made.outputs));
  return response;
}

async function update(calls: Calls, provider: Provider, request: UpdateRequest) {
  const call = calls.open(request, request.getNews());
  const preview = request.getPreview();
  const context = calls.effect(call, { key: "update", timeoutSeconds: request.getTimeout() });
  const oldOutputs = revealedAll(decodeStruct(request.getOlds(), call.context.urn));
  const make = () =>
    provider.update({
      ...context,
      id: request.getId(),
      oldInputs: revealedAll(decodeStruct(request.getOldInputs(), call.context.urn)),
      oldOutputs,
      newInputs: call.plain,
      ignoreChanges: request.getIgnorechangesList(),
      preview,
    });
  // Part of a failed update may have happened: told as one that came up half, the next apply updates again.
  const kept = { id: request.getId(), outputs: oldOutputs };
  const made = await (preview ? calls.answered(call, make) : calls.narrated({ ...call, kept }, "update", make));
  const response = new providerMessages.UpdateResponse();
  response.setProperties(calls.answer(call, made.outputs));
  return response;
}

async function remove(calls: Calls, provider: Provider, request: DeleteRequest) {
  const call = calls.open(request, request.getOldInputs());
  const id = request.getId();
  const context = calls.effect(call, { key: `delete ${id}`, timeoutSeconds: request.getTimeout() });
  const outputs = revealedAll(decodeStruct(request.getProperties(), call.context.urn));
  await calls.narrated(call, "delete", () => provider.delete({ ...context, id, inputs: call.plain, outputs }));
  return new Empty();
}

async function read(calls: Calls, provider: Provider, request: ReadRequest) {
  const call = calls.open(request, request.getInputs());
  const known = decodeStruct(request.getProperties(), call.context.urn);
  const response = new providerMessages.ReadResponse();
  const found = provider.read
    ? await calls.answered(call, () =>
        provider.read?.({ ...call.context, id: request.getId(), inputs: call.plain, outputs: revealedAll(known) }),
      )
    : { id: request.getId(), outputs: known };
  if (!found) return response;
  response.setId(found.id);
  response.setProperties(struct(markedLike(found.outputs, { ...call.inputs, ...known })));
  const inputs = "inputs" in found ? found.inputs : undefined;
  response.setInputs(inputs ? struct(markedLike(inputs, call.inputs)) : request.getInputs());
  return response;
}

async function invoke(operation: ProviderOperation, provider: Provider, request: InvokeRequest) {
  const token = request.getTok();
  const args = decodeStruct(request.getArgs(), token);
  operation.redaction.learn(args);
  const { result, failures = [] } = await operation.guarded("", async () => {
    if (!provider.invoke) throw unsupported("the program", `the function ${token}`);
    return provider.invoke({ token, args: revealedAll(args), signal: operation.signal });
  });
  const response = new providerMessages.InvokeResponse();
  response.setReturn(struct(markedLike(result, args)));
  response.setFailuresList(failures.map(failureMessage));
  return response;
}

function failureMessage({ property, reason }: CheckFailure) {
  const failure = new providerMessages.CheckFailure();
  failure.setProperty(property);
  failure.setReason(reason);
  return failure;
}

// The generated types name another copy's Struct; the class is the one that the SDK loads.
const struct = (properties: Properties): never => Struct.fromJavaScript(properties) as never;
