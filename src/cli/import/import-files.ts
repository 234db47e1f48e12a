import { defaultContext } from "../../spec/context.ts";
import { checkRepository } from "../../spec/repository.ts";
import type { Problem } from "../../spec/problem.ts";
import { readForeign, type ForeignDocument } from "../../spec/text/foreign-yaml.ts";
import { toYaml } from "../../spec/text/yaml-output.ts";
import { WaybillError } from "../../core/errors.ts";
import type { Draft } from "./draft.ts";
import { readPrefect } from "./prefect.ts";
import type { Note, Place } from "./reading.ts";
import { readSaturn } from "./saturn.ts";

export type Product = "prefect" | "saturn";

export interface ImportedFile {
  readonly name: string;
  readonly kind: string;
  /** `deployments/nightly.yaml`. */
  readonly path: string;
  readonly text: string;
}

export interface Imported {
  readonly files: readonly ImportedFile[];
  /** In the order of the files they speak of. */
  readonly notes: readonly Note[];
  /** What has to be corrected by hand in the files that were made. */
  readonly problems: readonly Problem[];
}

interface Given {
  readonly name: string;
  readonly text: string;
}

const readers = { prefect: readPrefect, saturn: readSaturn };

/** Another product's files as deployment files. Throws REQUEST_INVALID for text that is neither YAML nor JSON. */
export function importFiles(product: Product, given: readonly Given[]): Imported {
  const notes: Note[] = [];
  const documents = given.flatMap((file) => documentsOf(file).map((document) => ({ file: file.name, document })));
  const placeOf = (index: number): Place => {
    const { file = "", document } = documents[index] ?? {};
    return { file, lineOf: (path) => document?.lineOf(path) ?? 1, notes };
  };
  const values = documents.map(({ document }) => document.value);
  const files = readers[product](values, placeOf).map(fileOf);
  const order = new Map(given.map(({ name }, index) => [name, index]));
  notes.sort((a, b) => (order.get(a.file) ?? 0) - (order.get(b.file) ?? 0) || a.line - b.line);
  return { files, notes, problems: checkRepository(files.map(sourceFile), defaultContext).problems };
}

function documentsOf({ name, text }: Given): readonly ForeignDocument[] {
  const read = readForeign(text);
  if ("documents" in read) return read.documents;
  throw new WaybillError(
    "REQUEST_INVALID",
    `${name}:${read.fault.line} is neither YAML nor JSON: ${read.fault.message}`,
  );
}

const schemaLine = "# yaml-language-server: $schema=../deploy.schema.json";

function fileOf({ name, fields }: Draft): ImportedFile {
  const document = { apiVersion: "waybill/v1", ...fields };
  const text = `${schemaLine}\n${toYaml(document)}`;
  return { name, kind: String(fields["kind"]), path: `deployments/${name}.yaml`, text };
}

const sourceFile = ({ path, text }: ImportedFile) => ({ path, bytes: Buffer.from(text) });
