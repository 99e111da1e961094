# Read by the other scripts, not run: $java, a Java 25 as Pollard runs on, JAVA_HOME's if it is one.
java=java
for jdk in /usr/lib/jvm/* "${JAVA_HOME:-}"; do
  if [ -f "$jdk/release" ] && grep -q '^JAVA_VERSION="25' "$jdk/release"; then
    java=$jdk/bin/java
  fi
done
