import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist', 'node_modules', '.cache', '.data', '**/*.mjs', '**/*.d.mts', '**/*.cjs'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-extraneous-class': 'off', // a Nest module is a class with a decorator only
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Flags that another turn of the event loop changes look constant to the compiler.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/use-unknown-in-catch-callback-variable': 'off', // what libraries reject with are Errors
      '@typescript-eslint/require-await': 'off', // Fastify and oidc-provider want promises
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off', // answer classes only describe a shape to Swagger
      '@typescript-eslint/no-misused-spread': 'off', // answer classes are plain data; texts are taken apart by code point
      'no-control-regex': 'off', // control characters are refused on purpose
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'no-restricted-imports': [
        'error',
        {
          paths: [
            {
              name: 'typeorm',
              importNames: ['DataSource'],
              message: 'Database.within is the only door.',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: [
      // Every place that works over all counties, and why no scope will do there:
      'libs/database/src/database.ts', // the door itself
      'libs/messaging/src/applier.ts', // counts dead letters for the metrics
      'libs/messaging/src/retries.ts', // tries again what failed, of any county
      'libs/messaging/src/reconciler.ts', // compares ids of facts of every county with the inbox, which has none
      'libs/platform/src/file-sweep.ts', // takes away files that no row of any county names
      'libs/platform/src/housekeeping.ts', // forgets answers older than a day
      'libs/platform/src/sheet-import.ts', // claims a queued import of any county
      'apps/registry/src/name-search.sweep.ts', // spells names that came without their pinyin initials, in every county
      'apps/identity/src/account.step.ts', // opens or moves an account, wherever it was
      'apps/identity/src/sweep.ts', // forgets sessions and sign-ins past their time
      'apps/platform/src/main.ts', // opens the demo's accounts
      'apps/inspection/src/obligation.service.ts', // looks for queued runs, and for a quarter that has begun
      'apps/notification/src/delivery.run.ts', // claims what is to be sent, of any county
      'apps/inspection/src/deadline.sweep.ts', // marks what is past its day in every county
      'apps/inspection/src/reminders.ts', // looks whether a day has begun, and for which counties
      '**/*.spec.ts',
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'CallExpression[callee.property.name="everywhere"]',
          message:
            'Database.everywhere works outside every scope: add the file here, with its reason, or use within.',
        },
      ],
    },
  },
  {
    files: ['**/*.spec.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' }, // a missing value fails the test, as it should
  },
  {
    files: ['libs/database/src/database.ts'],
    rules: { 'no-restricted-imports': 'off' }, // the door itself
  },
);
