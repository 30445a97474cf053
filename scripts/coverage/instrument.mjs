// Branch and statement counters for AssemblyScript: a copy of the core's sources in which every arm of an if, a conditional expression,
// a switch, a loop's body and the right side of && and || (when it is more than a name), and every statement, notes that it was reached. TypeScript's parser reads AssemblyScript as well.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Decided when the core is compiled: no branches. */
const STATIC = /\bisDefined\(|\bASC_FEATURE_/;

/**
 * @typedef {{ file: string, line: number, column: number, kind: string, arm: number }} Arm
 *   kind: if, ?:, switch, loop, &&, ||; arm: which of its arms, from 0
 * @typedef {{ file: string, line: number, column: number, endLine: number, endColumn: number }} Statement
 *   From its first character up to before its body, if it has one.
 */

/** The instrumented text of one file; its arms are appended to `arms`, its statements to `statements`. */
export function instrument(root, path, arms, statements) {
  const source = readFileSync(join(root, path), 'utf8');
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
  /** Opening texts go behind closing ones at the same place; outer ones before inner ones, and the other way round. */
  const edits = [];
  const open = (at, text) => edits.push({ at, order: 1, text });
  const close = (at, text) => edits.push({ at, order: 0, text });
  const mark = (node, kind, arm) => {
    const { line, character } = file.getLineAndCharacterOfPosition(node.getStart(file));
    return arms.push({ file: path, line: line + 1, column: character + 1, kind, arm }) - 1;
  };
  const count = (node) => {
    if (ts.isFunctionDeclaration(node) || ts.isBlock(node) || ts.isEmptyStatement(node)) return;
    const start = file.getLineAndCharacterOfPosition(node.getStart(file)), end = file.getLineAndCharacterOfPosition(headEnd(node));
    open(node.getStart(file), `__line(${statements.length}); `);
    statements.push({ file: path, line: start.line + 1, column: start.character + 1, endLine: end.line + 1, endColumn: end.character + 1 });
  };
  const statement = (body, n, visit) => {
    if (ts.isBlock(body)) {
      open(body.getStart(file) + 1, ` __arm(${n});`);
      visit(body);
    } else {
      open(body.getStart(file), `{ __arm(${n}); `);
      count(body);
      visit(body);
      close(body.end, ' }');
    }
  };
  const expression = (node, text, visit) => {
    open(node.getStart(file), `(${text}`);
    visit(node);
    close(node.end, ')');
  };
  const visit = (node) => {
    if (ts.isIfStatement(node) && !STATIC.test(node.expression.getText(file))) {
      visit(node.expression);
      statement(node.thenStatement, mark(node, 'if', 0), visit);
      const n = mark(node, 'if', 1);
      if (node.elseStatement) statement(node.elseStatement, n, visit);
      // Behind a branch that leaves: the compiler then knows about null what it knew without us. Single statements have got braces.
      else if (leaves(node.thenStatement)) close(node.thenStatement.end, ` __arm(${n});`);
      else close(node.thenStatement.end, ` else { __arm(${n}); }`);
    } else if (ts.isConditionalExpression(node) && !STATIC.test(node.condition.getText(file))) {
      visit(node.condition);
      expression(node.whenTrue, `__arm(${mark(node, '?:', 0)}), `, visit);
      expression(node.whenFalse, `__arm(${mark(node, '?:', 1)}), `, visit);
    } else if (ts.isBinaryExpression(node) && isLogical(node) && !ts.isIdentifier(node.right) && !STATIC.test(node.getText(file))) {
      const and = node.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken, n = mark(node.right, and ? '&&' : '||', 0);
      visit(node.left);
      // In a condition the counter is an operand, so that what the right side proves about null stays known.
      expression(node.right, isCondition(node) ? (and ? `__and(${n}) && ` : `__or(${n}) || `) : `__arm(${n}), `, visit);
    } else if (ts.isSwitchStatement(node)) {
      visit(node.expression);
      clauses(node);
    } else if (ts.isIterationStatement(node, false)) {
      node.forEachChild((c) => { if (c !== node.statement) visit(c); });
      statement(node.statement, mark(node, 'loop', 0), visit);
    } else if (ts.isBlock(node)) {
      for (const s of node.statements) {
        count(s);
        visit(s);
      }
    } else node.forEachChild(visit);
  };
  const clauses = (node) => {
    const list = node.caseBlock.clauses;
    list.forEach((c, i) => {
      if (ts.isCaseClause(c)) visit(c.expression);
      if (c.statements.length) open(c.statements[0].getStart(file), `__arm(${mark(c, 'switch', i)}); `);
      for (const s of c.statements) {
        count(s);
        visit(s);
      }
    });
    if (!list.some(ts.isDefaultClause)) close(node.caseBlock.end - 1, ` break; default: __arm(${mark(node, 'switch', list.length)}); `);
  };
  const functions = (node) => {
    if (ts.isFunctionLike(node) && node.body) visit(node.body);
    else node.forEachChild(functions);
  };
  functions(file);
  edits.forEach((e, i) => { e.index = i; });
  edits.sort((a, b) => a.at - b.at || a.order - b.order || a.index - b.index);
  let out = '', at = 0;
  for (const e of edits) {
    out += source.slice(at, e.at) + e.text;
    at = e.at;
  }
  return out + source.slice(at);
}

const isLogical = (node) => node.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken || node.operatorToken.kind === ts.SyntaxKind.BarBarToken;

function leaves(statement) {
  const last = ts.isBlock(statement) ? statement.statements.at(-1) : statement;
  return last !== undefined && (ts.isReturnStatement(last) || ts.isBreakStatement(last) || ts.isContinueStatement(last));
}

/** Where what belongs to the statement itself ends, and its body begins. */
function headEnd(node) {
  if (ts.isIfStatement(node)) return node.thenStatement.pos;
  if (ts.isIterationStatement(node, false)) return ts.isDoStatement(node) ? node.statement.end : node.statement.pos;
  return ts.isSwitchStatement(node) ? node.caseBlock.pos : node.end;
}

/** Is only the truth of this expression looked at? */
function isCondition(node) {
  for (let child = node, p = node.parent; p; child = p, p = p.parent) {
    if (ts.isParenthesizedExpression(p) || (ts.isBinaryExpression(p) && isLogical(p))) continue;
    if (ts.isPrefixUnaryExpression(p)) return p.operator === ts.SyntaxKind.ExclamationToken;
    if (ts.isConditionalExpression(p)) return p.condition === child;
    if (ts.isIfStatement(p) || ts.isWhileStatement(p) || ts.isDoStatement(p)) return p.expression === child;
    return ts.isForStatement(p) && p.condition === child;
  }
  return false;
}

/** The file that holds the counters: one byte for each arm, and one for each statement. */
export function counters(arms, statements) {
  return `// Generated by scripts/coverage.
const COUNTERS: usize = memory.data(${arms}, 16);
const LINES: usize = memory.data(${statements}, 16);
// @ts-ignore: decorator
@global @inline function __arm(n: u32): void { store<u8>(COUNTERS + n, 1); }
// @ts-ignore: decorator
@global @inline function __and(n: u32): bool { store<u8>(COUNTERS + n, 1); return true; }
// @ts-ignore: decorator
@global @inline function __or(n: u32): bool { store<u8>(COUNTERS + n, 1); return false; }
// @ts-ignore: decorator
@global @inline function __line(n: u32): void { store<u8>(LINES + n, 1); }
/** Address of the counters. */
export function coverage(): usize { return COUNTERS; }
export function coverage_statements(): usize { return LINES; }
`;
}
