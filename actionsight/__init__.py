"""What more than one part of Actionsight needs: settings, GitHub's client, services, commands."""
