"""The door of the terminal: `busbar demo|serve|worker|stop|migrate|provider|apikey|openapi|doctor|secrets`.

Owns: the program's arguments, what it prints and how it ends, the web server's and the workers' processes, and the
composition of the other doors into one web application.
Does not own: what the commands do to the business (services), routes (api, portal), jobs (jobs).

Exit codes: 0 done, 1 refused or found wanting, 2 used or configured wrongly, 130 interrupted.
"""
