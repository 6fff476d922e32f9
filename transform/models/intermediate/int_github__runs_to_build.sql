{#- Runs that this build computes anew: its loads brought their own rows, jobs or repository. -#}
{{ claimed_runs() }}
