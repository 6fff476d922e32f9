{#- When the touched runs were created, by every observation of any attempt. -#}
{{ claimed_creations() }}
