// Reads {"tables": {table: {column: type}}, "queries": {name: query}} from standard input and prints
// {name: {"problems": [{"line", "column", "message"}], "columns": {column: type}}}.
// The service writes for .NET: its lists are counted and read by number.
const path = require("path");
const service = path.join(process.argv[2], "@kusto", "language-service-next");
require(path.join(service, "bridge.min.js"));
require(path.join(service, "Kusto.Language.Bridge.min.js"));
const { KustoCode, GlobalState, Symbols } = Kusto.Language;

const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
const tables = Object.entries(given.tables).map(([name, columns]) => {
  const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`);
  return new Symbols.TableSymbol.$ctor7(name, `(${schema.join(", ")})`, null);
});
const list = System.Array.init(tables, Symbols.Symbol);
const database = new Symbols.DatabaseSymbol.$ctor3("workspace", null, list, false);
const state = GlobalState.Default.WithDatabase(database);

function all(found) {
  return found ? Array.from({ length: found.Count }, (_, index) => found.getItem(index)) : [];
}

function problem(query, found) {
  const before = query.slice(0, found.Start).split("\n");
  return { line: before.length, column: before.at(-1).length + 1, message: found.Message };
}

const answer = {};
for (const [name, query] of Object.entries(given.queries)) {
  const code = KustoCode.ParseAndAnalyze(query, state);
  const problems = all(code.GetDiagnostics())
    .filter((found) => found.Severity === "Error" || found.Severity === "Warning")
    .map((found) => problem(query, found));
  const columns = all(code.ResultType && code.ResultType.Columns);
  answer[name] = {
    problems,
    columns: Object.fromEntries(columns.map((column) => [column.Name, column.Type.Name])),
  };
}
console.log(JSON.stringify(answer));
