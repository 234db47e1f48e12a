import type { Folder } from "./folder.ts";
import { portHint, word, type Draft, type Recipe } from "./recipe.ts";

interface Found {
  readonly file: string;
  readonly text: string;
}

type Framework = (folder: Folder, files: readonly Found[]) => Omit<Draft, "kind"> | null;

// Where a program's dependencies go, beside its source: kept once per source tree.
const dependencyFolder = ".deps";

/** A web framework among the imports, or a lone server file. */
export const pythonRecipe: Recipe = (folder) => {
  const files = folder.endingWith(".py").flatMap((file): readonly Found[] => {
    const text = folder.read(file);
    return text === null ? [] : [{ file, text }];
  });
  for (const framework of [streamlit, panel, fastApi, flask, django, loneFile]) {
    const draft = framework(folder, byLikelihood(files));
    if (draft) return { ...draft, kind: "service", fields: { ...dependencies(folder, draft.saw), ...draft.fields } };
  }
  return null;
};

const likely = ["app.py", "main.py", "wsgi.py", "asgi.py", "server.py"];
const rank = ({ file }: Found): number => (likely.includes(file) ? likely.indexOf(file) : likely.length);
const byLikelihood = (files: readonly Found[]): readonly Found[] => files.toSorted((a, b) => rank(a) - rank(b));

const moduleOf = (file: string): string => file.replace(/(?:\/__init__)?\.py$/, "").replaceAll("/", ".");

const imports = (name: string): RegExp => new RegExp(String.raw`^\s*(?:import|from)\s+${name}\b`, "m");
/** `app = Flask(`, also with a type. */
const assigned = (type: string): RegExp => new RegExp(String.raw`^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?${type}\(`, "m");
const factory = /^def (create_app|make_app)\(/m;

const declared = (folder: Folder, name: string): boolean =>
  [folder.read("requirements.txt"), folder.read("pyproject.toml")].some((text) =>
    new RegExp(String.raw`(?:^|["'\s])${name}\b`, "im").test(text ?? ""),
  );

function dependencies(folder: Folder, saw: string): { build?: string; env?: Record<string, string> } {
  const target = `--target ${dependencyFolder}`;
  const env = { PYTHONPATH: dependencyFolder };
  // FastAPI needs a server beside it, which its plain package does not bring.
  const extra =
    saw.startsWith("a FastAPI") && !declared(folder, "uvicorn") && !declared(folder, String.raw`fastapi\[`)
      ? " uvicorn"
      : "";
  if (folder.has("requirements.txt")) {
    return { build: `python3 -m pip install --requirement requirements.txt${extra} ${target}`, env };
  }
  if (folder.has("pyproject.toml")) return { build: `python3 -m pip install .${extra} ${target}`, env };
  return {};
}

const flask: Framework = (folder, files) => {
  const found = files.find(
    ({ text }) => imports("flask").test(text) && (assigned("Flask").test(text) || factory.test(text)),
  );
  if (!found) return null;
  const made = assigned("Flask").exec(found.text)?.[1];
  const maker = factory.exec(found.text)?.[1] ?? "create_app";
  const app = `${moduleOf(found.file)}:${made ?? maker}`;
  const command = declared(folder, "gunicorn")
    ? `python3 -m gunicorn --bind 0.0.0.0:$PORT ${word(made === undefined ? `${app}()` : app)}`
    : `python3 -m flask --app ${word(app)} run --host 0.0.0.0 --port $PORT`;
  return { saw: `a Flask application in ${found.file}`, fields: { command }, hints: [] };
};

const fastApi: Framework = (_folder, files) => {
  const found = files.find(
    ({ text }) => imports("fastapi").test(text) && (assigned("FastAPI").test(text) || factory.test(text)),
  );
  if (!found) return null;
  const made = assigned("FastAPI").exec(found.text)?.[1];
  const app = word(`${moduleOf(found.file)}:${made ?? factory.exec(found.text)?.[1] ?? "create_app"}`);
  const command = `python3 -m uvicorn ${app}${made === undefined ? " --factory" : ""} --host 0.0.0.0 --port $PORT`;
  return { saw: `a FastAPI application in ${found.file}`, fields: { command }, hints: [] };
};

const panel: Framework = (_folder, files) => {
  const found = files.find(({ text }) => imports("panel").test(text) && /\.servable\(|\bserve\(/.test(text));
  if (!found) return null;
  const command = `python3 -m panel serve ${word(found.file)} --address 0.0.0.0 --port $PORT --allow-websocket-origin "*"`;
  return { saw: `a Panel dashboard in ${found.file}`, fields: { command }, hints: [] };
};

const streamlitFlags = [
  "--server.address 0.0.0.0",
  "--server.port $PORT",
  "--server.headless true",
  "--browser.gatherUsageStats false",
  // Outside of site-packages it takes itself for its own developer's checkout, where server.port is refused.
  "--global.developmentMode false",
].join(" ");

const streamlit: Framework = (_folder, files) => {
  const found = files.find(({ text }) => imports("streamlit").test(text));
  if (!found) return null;
  const fields = {
    command: `python3 -m streamlit run ${word(found.file)} ${streamlitFlags}`,
    health: "/_stcore/health",
  };
  return { saw: `a Streamlit application in ${found.file}`, fields, hints: [] };
};

const django: Framework = (folder) => {
  if (folder.read("manage.py")?.includes("django") !== true) return null;
  const hint =
    "Django answers only for the host names in ALLOWED_HOSTS: add the deployment's own, or '.localhost' while trying";
  return {
    saw: "a Django project",
    fields: { command: "python3 manage.py runserver --noreload 0.0.0.0:$PORT" },
    hints: [
      hint,
      "runserver is Django's development server: for real traffic use gunicorn with your project's wsgi module",
    ],
  };
};

const loneFile: Framework = (_folder, files) => {
  const found = files.find((one) => likely.includes(one.file));
  if (!found) return null;
  const hints = found.text.includes("PORT") ? [] : [portHint(found.file, 'os.environ["PORT"]')];
  return { saw: `a Python program in ${found.file}`, fields: { command: `python3 -u ${word(found.file)}` }, hints };
};
