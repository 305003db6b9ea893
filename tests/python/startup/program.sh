# Says what it has been given, and stays.
printf '%s\n' "$HYPHA_SERVER_URL" "$HYPHA_WORKSPACE" "$HYPHA_TOKEN" "$1" "${HYPHA_ROOT_TOKEN:-none}" "$$" >"$TEST_OUTPUT.new"
echo "my token is $HYPHA_TOKEN"
mv "$TEST_OUTPUT.new" "$TEST_OUTPUT"
exec sleep 1000
