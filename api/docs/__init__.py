"""/docs: the API to be read and tried in a browser, by Swagger UI, whose files a package brings."""
