# Says what it has been given, and stays.
printf '%s\n' "$HYPHA_SERVER_URL" "$HYPHA_WORKSPACE" "$HYPHA_TOKEN" "$1" "${HYPHA_ROOT_TOKEN:-none}" "$$" >"$TEST_OUTPUT.new"
echo "my token is $HYPHA_TOKEN"
mv "$TEST_OUTPUT.new" "$TEST_OUTPUT"
trap 'echo >"$TEST_OUTPUT.bye"; exit 0' TERM
sleep 1000 &
wait
