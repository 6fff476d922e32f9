"""What more than one part of Actionsight needs: settings, database, services, commands."""
