/** The codes of S3 Select (S3 API Reference, "List of SELECT Object Content error codes"), all of them 400, and their words. */

export const SELECT_ERRORS = {
  CastFailed:
    'Attempt to convert from one data type to another using CAST failed in the SQL expression.',
  CSVParsingError: 'Encountered an error parsing the CSV file. Check the file and try again.',
  EvaluatorInvalidArguments:
    'Incorrect number of arguments in the function call in the SQL expression.',
  EvaluatorInvalidTimestampFormatPattern:
    'The timestamp format pattern in the SQL expression is not valid.',
  ExpressionTooLong:
    'The SQL expression is too long: The maximum byte-length for the SQL expression is 256 KB.',
  InvalidColumnIndex: 'The column index in the SQL expression is not valid.',
  InvalidCompressionFormat:
    'The file is not in a supported compression format. Only GZIP and BZIP2 are supported.',
  InvalidDataSource: 'Invalid data source type. Only CSV, JSON, and Parquet are supported.',
  InvalidExpressionType: 'The ExpressionType is invalid. Only SQL expressions are supported.',
  InvalidFileHeaderInfo: 'The FileHeaderInfo is invalid. Only NONE, USE, and IGNORE are supported.',
  InvalidJsonType: 'The JsonType is invalid. Only DOCUMENT and LINES are supported.',
  InvalidKeyPath: 'The key path in the SQL expression is not valid.',
  InvalidQuoteFields: 'The QuoteFields is invalid. Only ALWAYS and ASNEEDED are supported.',
  InvalidRequestParameter: 'The value of a parameter in the SelectRequest element is not valid.',
  InvalidScanRange: 'The provided scan range is invalid.',
  InvalidTableAlias: 'The SQL expression contains a table alias that is not valid.',
  InvalidTextEncoding: 'Invalid encoding type. Only UTF-8 encoding is supported.',
  JSONParsingError: 'Encountered an error parsing the JSON file. Check the file and try again.',
  LexerInvalidChar: 'The SQL expression contains a character that is not valid.',
  LexerInvalidLiteral: 'The SQL expression contains a literal that is not valid.',
  LikeInvalidInputs: 'Invalid argument given to the LIKE clause in the SQL expression.',
  MissingHeaders:
    'Some headers in the query are missing from the file. Check the file and try again.',
  MissingRequiredParameter: 'The SelectRequest entity is missing a required parameter.',
  ObjectSerializationConflict: 'The SelectRequest entity can only contain one of CSV or JSON.',
  OverMaxRecordSize:
    'The length of a record in the input or result is greater than maxCharsPerRecord of 1 MB.',
  ParseExpectedExpression: 'Did not find the expected SQL expression.',
  ParseExpectedIdentForAlias:
    'Did not find the expected identifier for the alias in the SQL expression.',
  ParseExpectedKeyword: 'Did not find the expected keyword in the SQL expression.',
  ParseExpectedNumber: 'Did not find the expected number in the SQL expression.',
  ParseExpectedTypeName: 'Did not find the expected type name in the SQL expression.',
  ParseInvalidContextForWildcardInSelectList:
    'The SQL expression contains an invalid use of * in the SELECT list.',
  ParseSelectMissingFrom: 'The SQL expression is missing FROM after the SELECT list.',
  ParseUnexpectedToken: 'The SQL expression contains an unexpected token.',
  ParseUnsupportedSelect: 'The SQL expression contains an unsupported use of SELECT.',
  ParseUnsupportedSyntax: 'The SQL expression contains unsupported syntax.',
  TruncatedInput:
    'Object decompression failed. Check that the object is properly compressed using the format specified in the request.',
  UnsupportedFunction: 'Encountered an unsupported SQL function.',
  UnsupportedSqlOperation: 'Encountered an unsupported SQL operation.',
  UnsupportedSqlStructure: 'Encountered an unsupported SQL structure. Check the SQL Reference.',
} as const

export type SelectErrorCode = keyof typeof SELECT_ERRORS
