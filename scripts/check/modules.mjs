// The sources as a graph: what each file imports and exports. TypeScript's parser reads AssemblyScript as well.
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

/** Paths of the .ts files under these folders of `root`, relative to it, sorted. */
export function sources(root, folders) {
  const out = [];
  for (const f of folders) {
    if (!existsSync(join(root, f))) continue;
    for (const e of readdirSync(join(root, f), { recursive: true, withFileTypes: true }))
      if (e.isFile() && e.name.endsWith('.ts') && !e.parentPath.includes('node_modules')) out.push(relative(root, join(e.parentPath, e.name)));
  }
  return out.sort();
}

/**
 * One source file.
 * @typedef {{ from: string, target: string | null, names: string[], line: number }} Import
 *   target: path relative to the root, or null for a package or builtin; names: imported symbols, `*` for all of them
 * @typedef {{ path: string, imports: Import[], exports: { name: string, line: number, alias?: boolean }[], words: Map<string, number> }} Module
 *   alias: a type alias; words: how often each identifier occurs
 * @returns {Module}
 */
export function readModule(root, path) {
  const file = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
  const module = { path, imports: [], exports: [], words: new Map() };
  const line = (n) => file.getLineAndCharacterOfPosition(n.getStart(file)).line + 1;
  const use = (node, specifier, names) =>
    module.imports.push({ from: specifier.text, target: target(root, path, specifier.text), names, line: line(node) });
  const visit = (node) => {
    if (ts.isIdentifier(node)) module.words.set(node.text, (module.words.get(node.text) ?? 0) + 1);
    if (ts.isImportDeclaration(node)) use(node, node.moduleSpecifier, importedNames(node.importClause, file));
    else if (ts.isExportDeclaration(node)) {
      const elements = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : null;
      if (node.moduleSpecifier) use(node, node.moduleSpecifier, elements ? elements.map((e) => (e.propertyName ?? e.name).text) : ['*']);
      else for (const e of elements ?? []) module.exports.push({ name: e.name.text, line: line(e) });
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && ts.isStringLiteral(node.arguments[0]))
      use(node, node.arguments[0], ['*']);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) use(node, node.argument.literal, node.qualifier ? [node.qualifier.getText(file).split('.')[0]] : ['*']);
    else if (ts.canHaveModifiers(node) && node.parent === file && ts.getModifiers(node)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword)) {
      const names = ts.isVariableStatement(node) ? node.declarationList.declarations.map((d) => d.name) : [node.name];
      for (const n of names) if (n && ts.isIdentifier(n)) module.exports.push({ name: n.text, line: line(n), alias: ts.isTypeAliasDeclaration(node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return module;
}

function importedNames(clause, file) {
  if (!clause) return [];
  const b = clause.namedBindings;
  if (!b) return ['default'];
  // `import * as A`: only what is written A.name counts as imported.
  if (ts.isNamespaceImport(b)) {
    const uses = [...file.text.matchAll(new RegExp(`\\b${b.name.text}\\.(\\w+)`, 'g'))].map((m) => m[1]);
    return uses.length ? uses : ['*'];
  }
  return b.elements.map((e) => (e.propertyName ?? e.name).text);
}

function target(root, path, specifier) {
  if (!specifier.startsWith('.')) return null;
  const base = resolve(root, dirname(path), specifier);
  for (const p of [base.replace(/\.js$/, '.ts'), `${base}.ts`, join(base, 'index.ts'), base]) if (existsSync(p)) return relative(root, p);
  return relative(root, base);
}
