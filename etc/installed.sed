# Makes the config file of an installed phttpd out of the one of the checkout.
/^# Written by/,/^#$/d
s|[$]schema=|&/usr/share/phttpd/|
s|^port: .*|port: 80|
s|^docroot: .*|docroot: /srv/phttpd|
s|^pidfile: .*|pidfile: /run/phttpd/phttpd.pid|
s|^log_file: .*|#log_file: /var/log/phttpd.log|
