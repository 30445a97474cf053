// Lint and format of all sources: TypeScript (host, back ends, tests), AssemblyScript (assembly) and scripts.
import stylistic from '@stylistic/eslint-plugin';
import tseslint from 'typescript-eslint';

/** Format rules: all of them fixed by `npm run format`. */
const format = {
  '@stylistic/arrow-parens': ['error', 'always'],
  '@stylistic/arrow-spacing': 'error',
  '@stylistic/block-spacing': 'error',
  '@stylistic/brace-style': ['error', '1tbs', { allowSingleLine: true }],
  '@stylistic/comma-dangle': ['error', 'always-multiline'],
  '@stylistic/comma-spacing': 'error',
  '@stylistic/eol-last': 'error',
  '@stylistic/function-call-spacing': 'error',
  '@stylistic/indent': ['error', 2, { SwitchCase: 1, ignoredNodes: ['ConditionalExpression', 'TemplateLiteral *'] }],
  '@stylistic/key-spacing': 'error',
  '@stylistic/keyword-spacing': 'error',
  '@stylistic/max-len': ['error', { code: 220 }],
  '@stylistic/no-extra-semi': 'error',
  '@stylistic/no-multi-spaces': ['error', { ignoreEOLComments: true }],
  '@stylistic/no-multiple-empty-lines': ['error', { max: 1, maxBOF: 0, maxEOF: 0 }],
  '@stylistic/no-tabs': 'error',
  '@stylistic/no-trailing-spaces': 'error',
  '@stylistic/object-curly-spacing': ['error', 'always'],
  '@stylistic/semi': 'error',
  '@stylistic/space-before-blocks': 'error',
  '@stylistic/space-in-parens': 'error',
  '@stylistic/space-infix-ops': 'error',
  '@stylistic/type-annotation-spacing': 'error',
};

const common = {
  'eqeqeq': 'error',
  'no-var': 'error',
  'prefer-const': 'error',
  'no-empty': 'error',
  'no-duplicate-imports': ['error', { allowSeparateTypeImports: true }],
  'no-unreachable': 'error',
  'no-dupe-else-if': 'error',
  'no-self-assign': 'error',
  'no-fallthrough': 'error',
  'no-constant-binary-expression': 'error',
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
};

export default tseslint.config(
  { ignores: ['build/**', 'node_modules/**', 'io-backends/native/build/**', 'host/abi/constants.ts'] },
  {
    files: ['**/*.ts', '**/*.mjs'],
    languageOptions: { parser: tseslint.parser, ecmaVersion: 2023, sourceType: 'module' },
    plugins: { '@stylistic': stylistic, '@typescript-eslint': tseslint.plugin },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { ...common, ...format },
  },
  {
    files: ['host/**/*.ts', 'io-backends/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', '**/*.mjs'],
    ignores: ['test/assembly/**'],
    rules: {
      '@stylistic/quotes': ['error', 'single', { avoidEscape: true, allowTemplateLiterals: 'always' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  // Tables of packets and calls, one exchange a line.
  { files: ['test/fuzz/seeds*.ts', 'test/fuzz/frames.ts'], rules: { '@stylistic/max-len': 'off' } },
  // Programs in AssemblyScript that may allocate.
  {
    files: ['sdk/**/*.ts', '**/*.as.ts'],
    languageOptions: { parserOptions: { allowInvalidAST: true } },
    rules: { '@stylistic/keyword-spacing': 'off', '@stylistic/space-infix-ops': 'off', '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    files: ['assembly/**/*.ts', 'test/assembly/**/*.ts'],
    // Decorators on functions, @inline and @external, are AssemblyScript's.
    languageOptions: { parserOptions: { allowInvalidAST: true } },
    rules: {
      '@stylistic/quotes': ['error', 'double', { avoidEscape: true }],
      // AssemblyScript: === on values is ==, and pointers are compared as numbers.
      'eqeqeq': 'off',
      // Both misread a type assertion, `<u32>this.x` and `<i32>(a - b) > 0`.
      '@stylistic/keyword-spacing': 'off',
      '@stylistic/space-infix-ops': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^SANITIZE$' }],
      'no-restricted-syntax': ['error',
        { selector: 'ForStatement:not([test])', message: 'write while (true)' },
        { selector: 'TryStatement', message: 'AssemblyScript has no exceptions' },
        { selector: 'ThrowStatement', message: 'call panic: a throw allocates its message' },
        { selector: 'ArrayExpression:not(CallExpression[callee.property.name=data] > ArrayExpression)', message: 'arrays allocate: use a pool or memory.data' },
        { selector: 'TemplateLiteral', message: 'strings allocate' },
        { selector: 'NewExpression', message: 'new allocates: use a pool' },
      ],
    },
  },
);
